import { type Check, failed, type Finding, notTried, passed } from './check';
import { type Desk, PAGE_ROWS, type PlacedOrder } from './desk';
import { cancelledListCheck, orderListChecks } from './order-list-checks';
import type { Exchange } from './recorded-http';
import { NoDelta } from './stock-dialect';
import { type StockWalk, walk } from './stock-walk';

/** No vendor sells it. */
const NO_SUCH_SKU = 'HOLDFAST-CHECK-NO-SUCH-SKU';
/** A file that is made anew less often than this is waited for no longer. */
const LATER_LISTING_MS_MAX = 60_000;
const LATER_LISTING_EVERY_MS = 100;

const NOTHING_BOUGHT = 'nothing was bought';
const NO_LATER_LISTING = `no readable listing with a time after the acceptance came within ${LATER_LISTING_MS_MAX} ms`;

/** Ordering, in the order in which they are tried: most are about one order of one unit, which is cancelled at last. */
export const orderChecks: Check[] = [
  {
    name: 'unseen-not-found',
    expects: 'A reference the vendor has never seen is not found: 404.',
    why: 'Only so is it known that nothing was bought, and the order can be sent again.',
    run: unseenNotFound,
  },
  {
    name: 'not-found-has-code',
    expects: 'The 404 to a reference the vendor has never seen says why in the JSON body, in the code of its dialect.',
    why: 'A 404 without a code may be a proxy’s: it proves nothing, and an order whose answer was lost stays open.',
    run: notFoundHasCode,
  },
  {
    name: 'order-accepted',
    expects: 'An order of one unit that is in stock is accepted, with the vendor’s number and time.',
    why: 'Anything else leaves the order open until an operator looks at it.',
    buys: true,
    run: orderAccepted,
  },
  {
    name: 'order-repeated',
    expects: 'The same reference again is answered with the first answer, and buys nothing.',
    why: 'A reference is repeated when an answer was lost. A second number is a second purchase.',
    buys: true,
    run: orderRepeated,
  },
  {
    name: 'order-found',
    expects: 'An accepted order is found by its reference, once the consistency lag has passed.',
    why: 'A 404 is taken for proof that nothing was bought, and the order is sent again.',
    buys: true,
    run: orderFound,
  },
  ...orderListChecks,
  {
    name: 'stock-contains-order',
    expects: 'A listing whose time is later than an acceptance has that order subtracted.',
    why: 'From then on Holdfast no longer counts the order itself: a number that does not contain it is oversold.',
    buys: true,
    run: stockContainsOrder,
  },
  {
    name: 'etag-follows-stock',
    expects: 'A validator no longer holds once stock has changed.',
    why: 'A 304 says that nothing has changed, so that what was sold elsewhere stays on sale here.',
    buys: true,
    run: etagFollowsStock,
  },
  {
    name: 'delta-names-change',
    expects: 'A delta from before a change names the product that changed.',
    why: 'Until the next complete listing Holdfast sells by the old number.',
    buys: true,
    run: deltaNamesChange,
  },
  {
    name: 'order-cancelled',
    expects: 'An order that is cancelled (204) is no longer shown as accepted; 409 where it is too late.',
    why: 'The stock is released, and the customer told that nothing comes.',
    buys: true,
    run: orderCancelled,
  },
  cancelledListCheck,
  {
    name: 'cancelled-stays-closed',
    expects: 'A cancelled reference buys nothing any more: it is refused, with a code.',
    why: 'A call that was on its way when the order was cancelled would buy what nobody wants.',
    buys: true,
    run: cancelledStaysClosed,
  },
  {
    name: 'unseen-closes',
    expects:
      'A reference that was cancelled (204) before it was ever seen buys nothing; 404 with a code where it cannot be closed.',
    why: 'An order may arrive after its cancellation; 204 promises that it is not bought then.',
    buys: true,
    run: unseenCloses,
  },
  {
    name: 'refusal-has-code',
    expects: 'An order for a product that there is not is refused with 409 or 422 and a code.',
    why: 'A refusal without a code may be a proxy’s: the order stays open and is tried again.',
    buys: true,
    run: (desk) => refused(desk, NO_SUCH_SKU),
  },
  {
    name: 'out-of-stock-refused',
    expects: 'An order for a product whose listed quantity is 0 is refused with a code.',
    why: 'Otherwise a sold-out order stays open instead of failing at once.',
    buys: true,
    run: outOfStockRefused,
  },
];

async function unseenNotFound(desk: Desk): Promise<Finding> {
  const answer = await desk.lookUp(desk.newReference());
  return answer.outcome === 'not_found' || desk.last.answer?.status === 404 ? passed : failed(desk.last);
}

async function notFoundHasCode(desk: Desk): Promise<Finding> {
  const answer = await desk.lookUp(desk.newReference());
  if (desk.last.answer?.status !== 404) return notTried('the vendor never answered 404');
  return answer.outcome === 'not_found' ? passed : failed(desk.last);
}

async function orderAccepted(desk: Desk): Promise<Finding> {
  const before = await desk.listingNow();
  const sku = desk.wanted(before);
  if (sku === undefined) return notTried('there is nothing in stock');
  const order = await desk.order(sku);
  if (order.answer.outcome !== 'accepted') return failed(order.exchange, saidOf(order));
  desk.bought = { ...order, answer: order.answer, before };
  return passed;
}

async function orderRepeated(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought) return notTried(NOTHING_BOUGHT);
  const again = await desk.order(bought.sku, bought.reference);
  if (again.answer.outcome !== 'accepted') return failed(again.exchange, saidOf(again));
  const { vendorOrderId, acceptedAt } = again.answer;
  if (vendorOrderId !== bought.answer.vendorOrderId) {
    return failed(again.exchange, `the first answer said ${bought.answer.vendorOrderId}, this one ${vendorOrderId}`);
  }
  if (acceptedAt.getTime() === bought.answer.acceptedAt.getTime()) return passed;
  return failed(again.exchange, `the first answer said it was at ${bought.answer.acceptedAt.toISOString()}`);
}

async function orderFound(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought) return notTried(NOTHING_BOUGHT);
  const found = await desk.lookUpUntil(bought.reference, ({ outcome }) => outcome === 'accepted', desk.lagMs);
  if (found.outcome !== 'accepted') return failed(desk.last, `${desk.lagMs} ms after it was accepted`);
  if (found.vendorOrderId === bought.answer.vendorOrderId) return passed;
  return failed(desk.last, `it was accepted as ${bought.answer.vendorOrderId}`);
}

async function stockContainsOrder(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought) return notTried(NOTHING_BOUGHT);
  const later = await listingAfter(desk, bought.answer.acceptedAt);
  if (!later) return notTried(NO_LATER_LISTING);
  const [before, now] = [bought.before, later].map(({ quantities }) => quantities.get(bought.sku) ?? 0);
  if (now! < before!) return passed;
  const times = `as of ${later.asOf!.toISOString()}, with an order accepted at ${bought.answer.acceptedAt.toISOString()}`;
  return failed(desk.last, `${bought.sku} was ${before} before the order and is ${now} ${times}`);
}

async function listingAfter(desk: Desk, at: Date): Promise<StockWalk | undefined> {
  const until = performance.now() + LATER_LISTING_MS_MAX;
  while (performance.now() < until) {
    const listing = await desk.listingNow();
    if (!listing.whole || !listing.asOf) return undefined;
    if (listing.asOf > at) return listing;
    await desk.wait(LATER_LISTING_EVERY_MS);
  }
  return undefined;
}

async function etagFollowsStock(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  const { conditional } = desk.stock;
  if (!conditional) return notTried('the dialect has no validators');
  if (!bought) return notTried(NOTHING_BOUGHT);
  const { etag } = bought.before;
  if (etag === null) return notTried('the listing came without an ETag');
  // A vendor may serve the same file for a while; that it is the old one does not show before it has a new one.
  if (!(await listingAfter(desk, bought.answer.acceptedAt))) return notTried(NO_LATER_LISTING);
  const { status } = await conditional(desk, etag, PAGE_ROWS);
  return status === 304 ? failed(desk.last, `If-None-Match: ${etag}, from before the order`) : passed;
}

async function deltaNamesChange(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  const { changes } = desk.stock;
  if (!changes) return notTried('the dialect has no deltas');
  if (!bought || bought.before.position === null) return notTried(NOTHING_BOUGHT);
  try {
    const delta = await walk(desk.stock, changes(desk, bought.before.position), 'last');
    const breach = delta.breaches.values().next().value;
    if (breach) return failed(breach.exchange, breach.message);
    return delta.quantities.has(bought.sku) ? passed : failed(desk.last, `${bought.sku} was bought and is not in it`);
  } catch (error) {
    if (!(error instanceof NoDelta)) throw error;
    return notTried('the vendor has no deltas');
  }
}

async function orderCancelled(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought) return notTried(NOTHING_BOUGHT);
  const { outcome } = await desk.cancel(bought.reference);
  if (outcome === 'too_late') return passed;
  if (outcome !== 'cancelled') return failed(desk.last);
  desk.cancelled = true;
  const found = await desk.lookUpUntil(bought.reference, (answer) => answer.outcome !== 'accepted', desk.lagMs);
  return found.outcome === 'accepted' ? failed(desk.last, 'after it was cancelled') : passed;
}

async function cancelledStaysClosed(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought || !desk.cancelled) return notTried('nothing was cancelled');
  return closed(desk, bought.sku, bought.reference);
}

async function unseenCloses(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought) return notTried(NOTHING_BOUGHT);
  const reference = desk.newReference();
  const { outcome } = await desk.cancel(reference);
  if (outcome === 'cancelled') return closed(desk, bought.sku, reference);
  // Nothing is promised by either.
  return outcome === 'unknown' ? failed(desk.last) : passed;
}

async function closed(desk: Desk, sku: string, reference: string): Promise<Finding> {
  const order = await desk.order(sku, reference);
  if (order.answer.outcome === 'refused') return passed;
  if (order.answer.outcome === 'accepted') await desk.cancel(reference);
  return failed(order.exchange, saidOf(order));
}

async function outOfStockRefused(desk: Desk): Promise<Finding> {
  const soldOut = [...(await desk.listingNow()).quantities].find(([, quantity]) => quantity === 0);
  return soldOut ? refused(desk, soldOut[0]) : notTried('everything is in stock');
}

async function refused(desk: Desk, sku: string): Promise<Finding> {
  const order = await desk.order(sku);
  if (order.answer.outcome === 'refused') return passed;
  if (order.answer.outcome === 'accepted') await desk.cancel(order.reference);
  return failed(order.exchange, saidOf(order));
}

function saidOf({ reference, answer }: PlacedOrder & { exchange: Exchange }): string {
  return `${reference} is ${answer.outcome.replace('_', ' ')}${'detail' in answer ? `: ${answer.detail}` : ''}`;
}
