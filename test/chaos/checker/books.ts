import { grouped } from './grouped';
import type { BookEntry } from '../world/vendors';
import type { Evidence, StoredOrder, Violation } from './evidence';

/** The vendors' own ledgers against the database: each order is bought once or not at all, as its status says. */
export function checkBooks(evidence: Evidence): Violation[] {
  const { orders, books, vendorsRefuseAnyway } = evidence;
  const byReference = grouped(books, ({ reference }) => reference);
  const known = new Set(orders.map(({ orderId }) => orderId));
  return [
    ...orders.flatMap((order) => checkOrder(order, byReference.get(order.orderId) ?? [])),
    ...books.filter(({ reference }) => !known.has(reference)).map(unheardOf),
    ...(vendorsRefuseAnyway ? [] : books.filter(({ code }) => code === 'OUT_OF_STOCK').map(promisedInVain)),
  ];
}

function checkOrder(order: StoredOrder, entries: BookEntry[]): Violation[] {
  const { orderId, status, productId, quantity } = order;
  const violation = (check: string, harm: Violation['harm'], detail: string): Violation[] => [
    { check, harm, orderId, detail },
  ];
  const bought = entries.filter((entry) => entry.status !== 'refused');
  const standing = entries.filter((entry) => entry.status === 'accepted');
  if (bought.length > 1) return violation('an order is bought once', 'boughtTwice', `${bought.length} purchases`);
  const other = bought.find((entry) => entry.quantity !== quantity || `${entry.vendorId}:${entry.sku}` !== productId);
  if (other) {
    const what = `${quantity} of ${productId} became ${other.quantity} of ${other.sku} at ${other.vendorId}`;
    return violation('what was ordered is bought', 'other', what);
  }
  if (status === 'completed' && standing.length === 0) {
    const found = entries.map((entry) => entry.status).join(', ') || 'nothing';
    return violation('a completed order stands in the vendor’s books', 'lost', `its books have ${found}`);
  }
  if (status === 'failed' && standing.length > 0)
    return violation('a failed order does not stand in the vendor’s books', 'boughtTwice', 'it was accepted');
  return [];
}

function unheardOf({ reference, vendorId }: BookEntry): Violation {
  return {
    check: 'what a vendor was asked for is an order of ours',
    harm: 'lost',
    orderId: reference,
    detail: `${vendorId} has it in its books, and the database has no such order`,
  };
}

/** Nobody but us buys there, so a vendor that has not enough was promised more than it had. */
function promisedInVain({ reference, vendorId, sku }: BookEntry): Violation {
  return {
    check: 'what is promised is there',
    harm: 'oversold',
    orderId: reference,
    detail: `${vendorId} had to refuse it: not enough of ${sku}`,
  };
}
