import type { Books } from './books';
import type { Event } from './explain';
import type { Line } from './history';
import type { PlayedRequest, PlayedRound } from './play';
import { isOpen, type StoredOrder } from './snapshot';
import { isRemembered } from './world';

/** What happened to one product within a round, as the answers, the vendor's listings and the orders' states tell. */
export function eventsOf(productId: string, played: PlayedRound): Event[] {
  return [
    ...played.requests.flatMap((request) => eventsOfRequest(productId, request, played)),
    ...[...played.after.orders.values()].flatMap((order) =>
      order.productId === productId ? eventsOfHold(order, played) : [],
    ),
    ...eventsOfListings(productId, played),
  ];
}

/** Quantities by product: a checkout's lines of one product count together. */
export function summed(lines: readonly Line[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { productId, quantity } of lines) sums.set(productId, (sums.get(productId) ?? 0) + quantity);
  return sums;
}

function eventsOfRequest(productId: string, { lines, answer }: PlayedRequest, { after }: PlayedRound): Event[] {
  const quantity = summed(lines).get(productId);
  if (quantity === undefined || answer.replayed || !isRemembered(answer)) return [];
  if (answer.code === 'CREATED') {
    const orders = answer.orders.flatMap(({ orderId }) => after.orders.get(orderId) ?? []);
    const granted = orders.find((order) => order.productId === productId);
    return granted ? [{ kind: 'granted', quantity: granted.quantity, available: granted.available }] : [];
  }
  const fault = answer.errors.find((error) => error.productId === productId);
  return [fault ? { kind: 'refused', available: fault.available! } : { kind: 'fitted', quantity }];
}

function eventsOfHold(order: StoredOrder, { before }: PlayedRound): Event[] {
  const { quantity, hold, acceptedAtMs } = order;
  const earlier = before.orders.get(order.orderId);
  if (earlier && !isOpen(earlier)) return [];
  if (hold === 'released') return [{ kind: 'released', quantity }];
  if (hold === 'settled' && earlier?.hold !== 'acknowledged') {
    return [{ kind: 'settled', quantity, acceptedAtMs: acceptedAtMs! }];
  }
  return [];
}

/** A listing older than what is known changes nothing. */
function eventsOfListings(productId: string, { before, after, syncs, served }: PlayedRound): Event[] {
  const { vendorId, asOfMs: rowAsOfMs } = before.products.get(productId)!;
  const sku = productId.slice(vendorId.length + 1);
  const settles = [...before.orders.values()]
    .filter((order) => order.productId === productId && order.hold === 'acknowledged')
    .filter(({ orderId }) => after.orders.get(orderId)!.hold === 'settled')
    .map(({ quantity, acceptedAtMs }) => ({ quantity, acceptedAtMs: acceptedAtMs! }));
  const polls = syncs.filter((sync) => sync.vendorId === vendorId);
  if (polls.every(({ status }) => status === 'held')) return [];
  return served
    .get(vendorId)!
    .filter(({ asOfMs }) => asOfMs >= Math.max(rowAsOfMs, before.fullAsOfMs.get(vendorId)!))
    .map(({ asOfMs, quantities }) => ({
      kind: 'listed',
      vendorQuantity: quantities[sku]!,
      asOfMs,
      settles,
      optional: !polls.every(({ contested, status }) => !contested && status === 'succeeded'),
    }));
}

/** Quantity of the product that is promised and not in the vendor's books. */
export function promisedUnknown(productId: string, { after }: PlayedRound, books: Books): number {
  return [...after.orders.values()]
    .filter((order) => order.productId === productId && order.hold === 'held')
    .filter(({ orderId }) => books.entries.get(orderId)?.status !== 'accepted')
    .reduce((sum, { quantity }) => sum + quantity, 0);
}
