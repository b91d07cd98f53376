import { type Books, type Listing, speaksFor } from './books';
import type { Event } from './explain';
import { CLOCK_MARGIN_MS, type Line, type VendorId } from './history';
import type { PlayedRequest, PlayedRound } from './play';
import type { PlayedSync } from './polls';
import { isOpen, listingKey, type StoredOrder } from './snapshot';
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
  const { quantity, hold } = order;
  const earlier = before.orders.get(order.orderId);
  if (earlier && !isOpen(earlier)) return [];
  if (hold === 'released') return [{ kind: 'released', quantity }];
  if (hold === 'settled' && earlier?.hold !== 'acknowledged') {
    return [{ kind: 'settled', quantity, countedUntilMs: countedUntilMs(order) }];
  }
  return [];
}

/** Milliseconds, vendor's clock: a later listing contains the accepted order. */
export function countedUntilMs({ vendorId, acceptedAtMs }: StoredOrder): number {
  return acceptedAtMs! + CLOCK_MARGIN_MS[vendorId as VendorId];
}

/**
 * The latest listing that certainly speaks for an acknowledged hold: for one that was so before the round, what was
 * applied in it; for one that became so, what was known before. One that was asked for before the order was sent does not:
 * it may contain it all the same, where it was made while the order was on its way, but nobody can tell that from a clock
 * that was set back.
 */
export function spokenUntilMs(order: StoredOrder, played: PlayedRound): number {
  const { orderId, vendorId, productId, sentAtMs } = order;
  const { before, after } = played;
  const known = [before.products.get(productId)!.asOfMs, before.fullAsOfMs.get(vendorId)!];
  const wasAcknowledged = before.orders.get(orderId)?.hold === 'acknowledged';
  const listings = wasAcknowledged ? appliedListings(productId, played).map(({ asOfMs }) => asOfMs) : known;
  const polledAtMs = (asOfMs: number) => after.firstPolledAtMs.get(listingKey(vendorId, asOfMs)) ?? Infinity;
  return Math.max(...listings.filter((asOfMs) => polledAtMs(asOfMs) > (sentAtMs ?? -Infinity)), -Infinity);
}

/** The listings of a round that speak for the product and certainly were applied. */
export function appliedListings(productId: string, played: PlayedRound): Listing[] {
  const polls = pollsOf(productId, played);
  const isCertain = polls.every(({ contested, status }) => !contested && status === 'succeeded');
  return isCertain ? listingsOf(productId, played) : [];
}

export function skuOf(productId: string): string {
  return productId.slice(productId.indexOf(':') + 1);
}

/** They may have been lost to another. */
function eventsOfListings(productId: string, played: PlayedRound): Event[] {
  const { before, after } = played;
  const settles = [...before.orders.values()]
    .filter((order) => order.productId === productId && order.hold === 'acknowledged')
    .filter(({ orderId }) => after.orders.get(orderId)!.hold === 'settled')
    .map((order) => ({ quantity: order.quantity, countedUntilMs: countedUntilMs(order) }));
  if (pollsOf(productId, played).every(({ status }) => status === 'held')) return [];
  const optional = appliedListings(productId, played).length === 0;
  return listingsOf(productId, played).map(({ asOfMs, quantities }) => ({
    kind: 'listed',
    vendorQuantity: quantities[skuOf(productId)] ?? 0,
    asOfMs,
    settles,
    optional,
  }));
}

function pollsOf(productId: string, { syncs }: PlayedRound): PlayedSync[] {
  return syncs.filter(({ vendorId }) => productId.startsWith(`${vendorId}:`));
}

/** One older than what is known changes nothing, and one that does not speak for the product nothing of it. */
function listingsOf(productId: string, { before, served }: PlayedRound): Listing[] {
  const { vendorId, asOfMs: rowAsOfMs } = before.products.get(productId)!;
  return served
    .get(vendorId)!
    .filter(({ asOfMs }) => asOfMs >= Math.max(rowAsOfMs, before.fullAsOfMs.get(vendorId)!))
    .filter((listing) => speaksFor(listing, skuOf(productId)));
}

/** Quantity of the product that is promised and not in the vendor's books. */
export function promisedUnknown(productId: string, { after }: PlayedRound, books: Books): number {
  return [...after.orders.values()]
    .filter((order) => order.productId === productId && order.hold === 'held')
    .filter(({ orderId }) => books.entries.get(orderId)?.status !== 'accepted')
    .reduce((sum, { quantity }) => sum + quantity, 0);
}
