import { holdSteps } from '../../../../src/orders/order-status';
import type { Entry } from './books';
import { appliedListings, countedUntilMs, eventsOf, promisedUnknown, skuOf, spokenUntilMs } from './events';
import { isExplained } from './explain';
import { CLOCK_MARGIN_MS, PRODUCTS, type VendorId } from './history';
import { requestProblems } from './request-rules';
import type { PlayedRound } from './play';
import { isOpen, type Snapshot, type StoredOrder } from './snapshot';
import { vendorOrderIdOf } from './model-vendor';
import type { World } from './world';

/** Says what breaks the rule; nothing where it holds. */
export type Rule = (played: PlayedRound, world: World) => string[];

/** What is always true when nothing is under way. Each has a planted bug that breaks it. */
export const rules = {
  'counters are the open holds': ({ after }) =>
    [...after.products.values()].flatMap(({ productId, vendorQuantity, reserved, stock }) => {
      const held = openHoldsOf(productId, after);
      const problems = [];
      if (reserved !== held) problems.push(`${productId}: reserved ${reserved}, open holds ${held}`);
      if (stock !== Math.max(0, vendorQuantity - reserved)) problems.push(`${productId}: stock ${stock}`);
      return problems;
    }),

  'some order of events explains every answer': (played) =>
    PRODUCTS.filter((productId) => !explained(productId, played)).map(
      (productId) =>
        `${productId}: ${JSON.stringify({
          before: played.before.products.get(productId),
          events: eventsOf(productId, played),
          after: played.after.products.get(productId),
        })}`,
    ),

  /** Without outside sales, what may still be sold and what is promised is there, and the vendor refuses nothing. */
  'nothing is oversold': (played, { vendors }) =>
    PRODUCTS.flatMap((productId) => {
      const [vendorId, sku] = productId.split(':') as [VendorId, string];
      const { books } = vendors[vendorId];
      if (books.soldOutside.has(sku)) return [];
      const refusals = [...books.entries.values()].filter(
        (entry) => entry.sku === sku && entry.code === 'OUT_OF_STOCK',
      );
      const claimed = played.after.products.get(productId)!.stock + promisedUnknown(productId, played, books);
      const there = books.quantityOf(sku);
      return [
        ...refusals.map(({ reference }) => `${productId}: the vendor had to refuse ${reference}`),
        ...(claimed > there ? [`${productId}: ${claimed} promised or on sale, the vendor has ${there}`] : []),
      ];
    }),

  'states only move forward': ({ before, after }) =>
    [...before.orders.values()].flatMap((earlier) => {
      const now = after.orders.get(earlier.orderId);
      if (!now) return [`${earlier.orderId} is gone`];
      const problems = [];
      if (earlier.status !== 'pending' && now.status !== earlier.status) problems.push('status');
      if (earlier.failureReason !== null && now.failureReason !== earlier.failureReason) problems.push('failureReason');
      if (!reachable(earlier.hold).has(now.hold)) problems.push('hold');
      return problems.map(
        (what) => `${earlier.orderId}: ${what} from ${JSON.stringify(earlier)} to ${JSON.stringify(now)}`,
      );
    }),

  'the books agree with what is decided': ({ after }, { vendors }) => [
    ...[...after.orders.values()].flatMap((order) =>
      bookProblems(order, vendors[order.vendorId as VendorId].books.entries.get(order.orderId)),
    ),
    ...Object.values(vendors).flatMap(({ books }) =>
      [...books.entries.keys()]
        .filter((reference) => !after.orders.has(reference))
        .map((reference) => `the vendor has ${reference}, we do not`),
    ),
  ],

  /** Strictly later, by the vendor's clock and its margin; and one that speaks for the product. */
  'a hold settles only by a later listing': ({ after }, { vendors, listedUntilMs }) =>
    [...after.orders.values()]
      .filter(({ hold }) => hold === 'settled')
      .flatMap(({ orderId, vendorId, productId }) => {
        const acceptedAtMs = vendors[vendorId as VendorId].books.entries.get(orderId)?.decidedAtMs ?? Infinity;
        const contained = acceptedAtMs + CLOCK_MARGIN_MS[vendorId as VendorId] < listedUntilMs.get(productId)!;
        return contained ? [] : [`${orderId} was accepted at ${acceptedAtMs}`];
      }),

  'a hold settles as soon as a listing contains it': (played) =>
    [...played.after.orders.values()]
      .filter((order) => order.hold === 'acknowledged' && countedUntilMs(order) < spokenUntilMs(order, played))
      .map((order) => `${JSON.stringify(order)} is contained until ${spokenUntilMs(order, played)}`),

  'what was answered is there, and nothing else': ({ after }, { orders, cancelled, keys }) => [
    ...[...orders].flatMap(([orderId, told]) => {
      const stored = after.orders.get(orderId);
      if (!stored) return [`${orderId} was answered and is not there`];
      const same = stored.productId === told.productId && stored.quantity === told.quantity;
      return same ? [] : [`${orderId} is another order than was answered`];
    }),
    ...[...after.orders.keys()]
      .filter((orderId) => !orders.has(orderId))
      .map((orderId) => `nobody was told of ${orderId}`),
    ...[...cancelled]
      .filter((orderId) => after.orders.get(orderId)?.failureReason !== 'CANCELLED')
      .map((orderId) => `${orderId} is not cancelled`),
    ...(after.keys === keys.size ? [] : [`${after.keys} keys are stored, ${keys.size} were answered for good`]),
  ],

  'a request gets the answer it deserves': requestProblems,

  'a cancellation gets the answer it deserves': ({ after, cancels }) =>
    cancels
      .filter(({ orderId, answer }) => !deservesCancel(answer, after.orders.get(orderId)))
      .map(({ orderId, answer }) => `${answer}: ${JSON.stringify(after.orders.get(orderId))}`),

  'nothing is sent once its cancellation was asked for': ({ before, sent }) =>
    sent.filter((orderId) => before.orders.get(orderId)?.cancelRequested),

  'syncs end as their listings deserve': ({ before, syncs, served, down }) =>
    syncs
      .filter(({ contested }) => !contested)
      .flatMap(({ vendorId, status }) => {
        const [listing] = served.get(vendorId)!;
        const isOld = listing && listing.asOfMs < before.knownAsOfMs.get(vendorId)!;
        const expected = vendorId === down ? 'failed' : isOld ? 'held' : 'succeeded';
        return status === expected ? [] : [`${vendorId}: ${status}, expected ${expected}`];
      }),

  'what is listed is what the vendor lists': (played) =>
    PRODUCTS.flatMap((productId) => {
      const { listed } = played.after.products.get(productId)!;
      return appliedListings(productId, played)
        .filter(({ quantities }) => listed !== skuOf(productId) in quantities)
        .map((listing) => `${productId} after ${JSON.stringify(listing)}`);
    }),

  'nothing deadlocks': ({ before, after }) => {
    const count = after.deadlocks - before.deadlocks;
    return count === 0 ? [] : [`${count} deadlocks`];
  },

  'no slot stays taken': ({ after }) => (after.slotsTaken === 0 ? [] : [`${after.slotsTaken} slots are taken`]),
} satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;

export function openHoldsOf(productId: string, { orders }: Snapshot): number {
  return [...orders.values()]
    .filter((order) => order.productId === productId && isOpen(order))
    .reduce((sum, { quantity }) => sum + quantity, 0);
}

function explained(productId: string, played: PlayedRound): boolean {
  const before = played.before.products.get(productId)!;
  const knownUntilMs = Math.max(before.asOfMs, played.before.fullAsOfMs.get(before.vendorId)!);
  return isExplained({ ...before, knownUntilMs }, eventsOf(productId, played), played.after.products.get(productId)!);
}

/** By what became of the order: an answer is not given before it is true. */
function deservesCancel(answer: string, order: StoredOrder | undefined): boolean {
  switch (answer) {
    case 'decided':
      return order?.failureReason === 'CANCELLED';
    case 'asked':
      return order?.cancelRequested === true;
    case 'ORDER_NOT_CANCELLABLE':
      return order !== undefined && order.status !== 'pending' && order.failureReason !== 'CANCELLED';
    default:
      return false;
  }
}

/** A completed order stands in the vendor's books, a failed one never, or with its cancellation. */
function bookProblems(order: StoredOrder, entry: Entry | undefined): string[] {
  const { orderId, status } = order;
  if (status === 'failed') return entry?.status === 'accepted' ? [`${orderId} failed, and the vendor sold it`] : [];
  if (status !== 'completed') return [];
  const agrees =
    entry?.status === 'accepted' &&
    order.vendorOrderId === vendorOrderIdOf(orderId) &&
    order.acceptedAtMs === entry.decidedAtMs &&
    order.productId === `${order.vendorId}:${entry.sku}` &&
    order.quantity === entry.quantity;
  return agrees ? [] : [`${orderId} is completed as ${JSON.stringify(order)}, the vendor has ${JSON.stringify(entry)}`];
}

/** The hold itself, and all that steps lead to from it. */
function reachable(hold: StoredOrder['hold']): Set<StoredOrder['hold']> {
  const found = new Set([hold]);
  for (const from of found) for (const step of holdSteps) if (step.from === from) found.add(step.to);
  return found;
}
