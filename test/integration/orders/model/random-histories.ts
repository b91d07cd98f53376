import fc from 'fast-check';
import {
  type CancelTrick,
  type Feed,
  type History,
  type Line,
  type LookUpTrick,
  PRODUCTS,
  type PurchaseTrick,
  type Round,
  type Step,
  type Tricks,
  VENDORS,
} from './history';

const UNKNOWN_PRODUCTS = ['north:none', 'nobody:A'];
const STOCK_MAX = 9;
const STEPS_MAX = 14;
const ROUNDS_MAX = 9;

/** Asked for again and again with one key. */
const REPEATED_LINE: Line = { productId: PRODUCTS[0]!, quantity: 1 };

const index = fc.nat(50);
const vendor = fc.constantFrom(...VENDORS);
const process = fc.constantFrom<(0 | 1)[]>(0, 1);
const key = fc.option(fc.constantFrom('k1', 'k2', 'k3'), { freq: 2 });
const product = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...PRODUCTS) },
  { weight: 1, arbitrary: fc.constantFrom(...UNKNOWN_PRODUCTS) },
);
const line = fc.record({ productId: product, quantity: fc.integer({ min: 1, max: 3 }) });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('place'), line, key, process }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('place'),
      line: fc.constant(REPEATED_LINE),
      key: fc.constant('k1'),
      process,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('checkOut'),
      lines: fc.array(line, { minLength: 1, maxLength: 4, size: 'max' }),
      key,
      process,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('cancel'), order: index }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('dispatch'), message: index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('redeliver'), message: index }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('sellOutside'),
      vendorId: vendor,
      quantity: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('restock'),
      productId: fc.constantFrom(...PRODUCTS),
      quantity: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('list'),
      productId: fc.constantFrom(...PRODUCTS),
      listed: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('publish'), vendorId: vendor }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tick'), vendorId: vendor }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('sync'),
      vendorId: vendor,
      feed: fc.constantFrom<Feed[]>('fresh', 'fresh', 'delayed', 'lowerBound'),
      complete: fc.boolean(),
      steals: fc.constantFrom(false, false, true),
    }),
  },
);

const tricks: fc.Arbitrary<Tricks> = fc.record({
  purchase: fc.array(
    fc.constantFrom<PurchaseTrick[]>(
      'answer',
      'answer',
      'answer',
      'refuse',
      'acceptThenDrop',
      'acceptThen500',
      'refuseThenDrop',
      'late',
      'fail',
    ),
    { maxLength: 6, size: 'max' },
  ),
  lookUp: fc.array(fc.constantFrom<LookUpTrick[]>('answer', 'answer', 'fail'), { maxLength: 4, size: 'max' }),
  cancel: fc.array(fc.constantFrom<CancelTrick[]>('answer', 'answer', 'tooLate', 'fail', 'cancelThenDrop'), {
    maxLength: 3,
    size: 'max',
  }),
});

const round: fc.Arbitrary<Round> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: STEPS_MAX, size: 'max' }),
  tricks: fc.record({ north: tricks, south: tricks }),
  ticks: fc.subarray([...VENDORS]),
  down: fc.oneof({ weight: 7, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: vendor }),
  timePasses: fc.boolean(),
});

/** Small stocks, so that the edges are hit. */
export const histories: fc.Arbitrary<History> = fc.record({
  stock: fc.record(Object.fromEntries(PRODUCTS.map((productId) => [productId, fc.nat(STOCK_MAX)]))),
  rounds: fc.array(round, { minLength: 1, maxLength: ROUNDS_MAX, size: 'max' }),
});
