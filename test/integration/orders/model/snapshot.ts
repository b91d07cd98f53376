import type { DataSource } from 'typeorm';
import type { HoldState, OrderStatus } from '../../../../src/orders/order-status';
import { deadlocks } from '../../../support/deadlocks';

export interface StoredProduct {
  productId: string;
  vendorId: string;
  vendorQuantity: number;
  reserved: number;
  stock: number;
  listed: boolean;
  /** Milliseconds, vendor's clock. */
  asOfMs: number;
}

export interface StoredOrder {
  orderId: string;
  vendorId: string;
  productId: string;
  quantity: number;
  status: OrderStatus;
  failureReason: string | null;
  hold: HoldState;
  available: number;
  vendorOrderId: string | null;
  /** Milliseconds, vendor's clock. */
  acceptedAtMs: number | null;
  /** Milliseconds, our clock: when it may first have been sent. */
  sentAtMs: number | null;
  checkoutId: string | null;
  needsAttention: boolean;
  cancelRequested: boolean;
}

/** What the database says at one moment, when nothing is under way. */
export interface Snapshot {
  products: Map<string, StoredProduct>;
  orders: Map<string, StoredOrder>;
  /** Milliseconds, vendor's clock: the last complete listing; by vendor. */
  fullAsOfMs: Map<string, number>;
  /** The last listing, complete or not. */
  knownAsOfMs: Map<string, number>;
  /** Milliseconds, our clock: when a listing of this time was first asked for; by `listingKey`. */
  firstPolledAtMs: Map<string, number>;
  keys: number;
  slotsTaken: number;
  /** Since the database was made. */
  deadlocks: number;
}

export async function takeSnapshot(dataSource: DataSource): Promise<Snapshot> {
  const [products, orders, vendors, listings, [counts], deadlocked] = await Promise.all([
    dataSource.query<StoredProduct[]>(
      `SELECT product_id AS "productId", vendor_id AS "vendorId", vendor_quantity AS "vendorQuantity",
              reserved_quantity AS reserved, stock_quantity AS stock, listed, ${milliseconds('as_of')} AS "asOfMs"
       FROM products`,
    ),
    dataSource.query<StoredOrder[]>(
      `SELECT order_id AS "orderId", vendor_id AS "vendorId", product_id AS "productId", quantity, status,
              failure_reason AS "failureReason", hold_state AS hold, available_quantity AS available,
              vendor_order_id AS "vendorOrderId", ${milliseconds('accepted_at')} AS "acceptedAtMs",
              ${milliseconds('sent_at')} AS "sentAtMs",
              checkout_id AS "checkoutId", needs_attention AS "needsAttention",
              cancel_requested_at IS NOT NULL AS "cancelRequested"
       FROM orders ORDER BY order_id`,
    ),
    dataSource.query<{ vendor_id: string; full_as_of: number | null; stock_as_of: number | null }[]>(
      `SELECT vendor_id, ${milliseconds('full_as_of')} AS full_as_of, ${milliseconds('stock_as_of')} AS stock_as_of
       FROM vendors`,
    ),
    dataSource.query<{ vendor_id: string; as_of: number; polled_at: number }[]>(
      `SELECT vendor_id, ${milliseconds('as_of')} AS as_of, ${milliseconds('min(polled_at)')} AS polled_at
       FROM stock_sync_runs WHERE as_of IS NOT NULL AND polled_at IS NOT NULL GROUP BY vendor_id, as_of`,
    ),
    dataSource.query<{ keys: number; slots: number }[]>(
      `SELECT (SELECT count(*)::integer FROM idempotency_keys) AS keys,
              (SELECT count(*)::integer FROM vendor_slots WHERE token IS NOT NULL) AS slots`,
    ),
    deadlocks(dataSource),
  ]);
  return {
    products: new Map(products.map((product) => [product.productId, product])),
    orders: new Map(orders.map((order) => [order.orderId, order])),
    fullAsOfMs: new Map(vendors.map(({ vendor_id, full_as_of }) => [vendor_id, full_as_of ?? -Infinity])),
    knownAsOfMs: new Map(vendors.map(({ vendor_id, stock_as_of }) => [vendor_id, stock_as_of ?? -Infinity])),
    firstPolledAtMs: new Map(
      listings.map(({ vendor_id, as_of, polled_at }) => [listingKey(vendor_id, as_of), polled_at]),
    ),
    keys: counts!.keys,
    slotsTaken: counts!.slots,
    deadlocks: deadlocked,
  };
}

export function listingKey(vendorId: string, asOfMs: number): string {
  return `${vendorId} ${asOfMs}`;
}

export function isOpen({ hold }: StoredOrder): boolean {
  return hold === 'held' || hold === 'acknowledged';
}

/** Exact: the columns have three places. */
function milliseconds(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000)::float8`;
}
