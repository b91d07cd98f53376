import type { DataSource } from 'typeorm';
import type { Manifest } from '../../src/operations/backup/manifest';
import { miscounted } from './fleet';
import { ordersIn, type Trade } from './trade';

/**
 * What was restored is the past: it has every order that was answered before, and some of each vendor's wait that the vendor
 * has sold since, without and with an attempt that the backup knows of.
 */
export async function expectThePast(database: DataSource, trade: Trade, { asOf }: Manifest): Promise<void> {
  const orders = await ordersIn(database);
  const known = new Set(orders.map(({ order_id }) => order_id));
  const before = trade.answered.filter(({ at }) => at < Date.parse(asOf));
  expect(before.length).toBeGreaterThan(0);
  expect(before.filter(({ orderId }) => !known.has(orderId))).toEqual([]);
  expect(trade.answered.filter(({ orderId }) => !known.has(orderId)).length).toBeGreaterThan(0);

  const books = await trade.books();
  const boughtSince = orders.filter(({ order_id, status }) => status === 'pending' && books.has(order_id));
  for (const { vendorId } of trade.vendors) {
    const of = boughtSince.filter(({ vendor_id }) => vendor_id === vendorId);
    expect([vendorId, of.some(({ attempts }) => attempts === 0)]).toEqual([vendorId, true]);
  }
  expect(boughtSince.some(({ attempts }) => attempts > 0)).toBe(true);
}

/** Every order that the backup knew stands in its vendor's books as it should, and nothing there was bought twice. */
export async function expectAllRight(database: DataSource, trade: Trade): Promise<void> {
  const books = await trade.books();
  const orders = await ordersIn(database);
  const wrong = orders.filter(
    ({ order_id, status }) => (books.get(order_id) ?? 0) !== (status === 'completed' ? 1 : 0),
  );
  expect(wrong).toEqual([]);
  expect([...books].filter(([, times]) => times > 1)).toEqual([]);
  // Nothing else is in the books than what buyers were answered.
  const answered = new Set(trade.answered.map(({ orderId }) => orderId));
  expect([...books.keys()].filter((reference) => !answered.has(reference))).toEqual([]);
  expect(await miscounted({ dataSource: database })).toEqual([]);
}
