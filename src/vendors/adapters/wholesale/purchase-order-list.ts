import { changedOrder, changedOrdersPage } from '../../changed-orders';
import type { ChangedOrdersPage, ChangedOrderStatus } from '../../vendor-adapter';
import type { Fields } from '../../vendor-answer';

const STATES: ReadonlyMap<unknown, ChangedOrderStatus> = new Map<unknown, ChangedOrderStatus>([
  ['confirmed', 'accepted'],
  ['pending', 'pending'],
  ['rejected', 'refused'],
  ['cancelled', 'cancelled'],
]);

/** Pages of one list bear its name, so that no row slides from one to another while they are read. */
export function purchaseOrdersIn(body: Fields | undefined, asked: number): ChangedOrdersPage | undefined {
  const { as_of: asOf, list, page, total_pages: pages, items } = body ?? {};
  if (page !== asked || !isCount(pages) || typeof list !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(list))
    return undefined;
  return changedOrdersPage(asOf, items, asked < pages ? `${asked + 1} ${list}` : null, (item) =>
    changedOrder(item.po_number, STATES.get(item.state), item.confirmation_number),
  );
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
