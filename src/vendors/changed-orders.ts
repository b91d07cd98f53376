import type { ChangedOrder, ChangedOrdersAnswer, ChangedOrdersPage, ChangedOrderStatus } from './vendor-adapter';
import { type Fields, notKnown, orderAnswer, plain, timeOf, unreadable } from './vendor-answer';
import type { VendorResponse } from './vendor-http';

/** Reading lists of changed orders in the way all dialects share. */

/** A thousand rows of some 200 bytes, forty times over. */
export const CHANGED_ORDERS_BYTES_MAX = 8 * 1024 * 1024;
/** Whatever was asked for: a vendor that does not page gives all it has at once. */
const PAGE_ROWS_MAX = 100_000;
const PLACE_LENGTH_MAX = 2000;
/** How a vendor says that it lists no orders. */
const NOT_OFFERED = [404, 405, 501];

/** What asking for a page came to. `codeMember`: where the dialect's errors have their code. */
export function changedOrdersAnswer(
  call: Promise<VendorResponse>,
  codeMember: string,
  read: (response: VendorResponse) => ChangedOrdersPage | undefined,
): Promise<ChangedOrdersAnswer> {
  return orderAnswer(call, (response): ChangedOrdersAnswer => {
    if (NOT_OFFERED.includes(response.status)) return { outcome: 'not_offered' };
    if (response.status !== 200) return notKnown(response, codeMember);
    return read(response) ?? unreadable(response);
  });
}

/** Undefined where it is no page. A row that cannot be read is left out: what it is about is looked up. */
export function changedOrdersPage(
  asOf: unknown,
  items: unknown,
  next: unknown,
  rowIn: (item: Fields) => ChangedOrder | undefined,
): ChangedOrdersPage | undefined {
  const at = timeOf(asOf);
  const place = placeIn(next);
  if (!at || !Array.isArray(items) || items.length > PAGE_ROWS_MAX || place === undefined) return undefined;
  const orders = items.map((item) => rowIn((item ?? {}) as Fields)).filter((order) => order !== undefined);
  return { outcome: 'page', asOf: at, orders, next: place };
}

export function changedOrder(
  reference: unknown,
  status: ChangedOrderStatus | undefined,
  vendorOrderId: unknown,
): ChangedOrder | undefined {
  if (typeof reference !== 'string' || status === undefined) return undefined;
  return { reference, status, vendorOrderId: typeof vendorOrderId === 'string' ? plain(vendorOrderId) : null };
}

/** Null after the last page; undefined where it is no place. */
function placeIn(next: unknown): string | null | undefined {
  if (next === null || next === undefined || next === '') return null;
  if (typeof next === 'number') return String(next);
  return typeof next === 'string' && next.length <= PLACE_LENGTH_MAX ? next : undefined;
}
