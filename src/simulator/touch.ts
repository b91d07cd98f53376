/** Which rows a bulk change touches and what they hold then: the same for the same seed, and never what they held. */
import { mix } from './generated-catalogue';

/** What a touched product has afterwards is some number from 0 to this. */
const QUANTITY_MAX = 500;

/** Places of a listing, each at most once, scattered over the whole of it. */
export function* scatteredPlaces(count: number, size: number, seed: number): Generator<number> {
  if (size === 0) return;
  let place = mix(0, seed) % size;
  const stride = strideFor(size, seed);
  for (let number = 0; number < count; number++) {
    yield place;
    place = (place + stride) % size;
  }
}

export function anotherQuantity(quantity: number, dice: number): number {
  const another = dice % QUANTITY_MAX;
  return another === quantity ? QUANTITY_MAX : another;
}

/** A step that has no divisor in common with the size comes back to no place before it has been everywhere. */
function strideFor(size: number, seed: number): number {
  let stride = 1 + (mix(1, seed) % size);
  while (greatestCommonDivisor(stride, size) !== 1) stride += 1;
  return stride;
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}
