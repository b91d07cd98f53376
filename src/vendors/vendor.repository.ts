import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../database/sql';
import { breakerStateSql, CALLS_ALLOWED, JOIN_ORDERS_BREAKER } from './breaker/breaker.repository';
import { type BreakerState, STALE_INTERVALS, type StaleStock, type Vendor, type VendorNow } from './vendor';

export interface VendorRow {
  vendor_id: string;
  name: string;
  kind: string;
  base_url: string;
  enabled: boolean;
  sync_interval_ms: number | null;
  max_concurrent_orders: number;
  credential_env: string | null;
  clock_margin_ms: number;
  consistency_lag_ms: number;
  delivery_attempts_max: number | null;
  full_sync_interval_ms: number | null;
  feed_max_age_ms: number | null;
  stale_stock_policy: StaleStock['policy'];
  stale_stock_buffer: number;
  products_max: number;
}

interface NowRow {
  orders_breaker: BreakerState;
  stock_breaker: BreakerState;
  paused: boolean;
  synced_at: Date | null;
  stock_age_seconds: number | null;
  stale: boolean;
}

export const VENDOR_COLUMNS = `vendor_id, name, kind, base_url, enabled, sync_interval_ms, max_concurrent_orders,
  credential_env, clock_margin_ms, consistency_lag_ms, delivery_attempts_max, full_sync_interval_ms, feed_max_age_ms,
  stale_stock_policy, stale_stock_buffer, products_max`;

/** Whether the vendor's picture is stale, given the installation's default interval as a parameter. */
export const staleSql = (intervalMsDefault: string): string =>
  `COALESCE(v.synced_at < now() - ${STALE_INTERVALS} * COALESCE(v.sync_interval_ms, ${intervalMsDefault}) * interval '1 ms', true)`;

@Injectable()
export class VendorRepository {
  /** Answers whether the vendor is new. Replaces everything an operator can set and nothing the sync has learnt. */
  async put(tx: Transaction, vendor: Vendor): Promise<boolean> {
    const { created } = (await row<{ created: boolean }>(
      tx,
      `INSERT INTO vendors (${VENDOR_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
               $14, $15, $16)
       ON CONFLICT (vendor_id) DO UPDATE SET
         name = excluded.name, kind = excluded.kind, base_url = excluded.base_url, enabled = excluded.enabled,
         sync_interval_ms = excluded.sync_interval_ms, max_concurrent_orders = excluded.max_concurrent_orders,
         credential_env = excluded.credential_env, clock_margin_ms = excluded.clock_margin_ms,
         consistency_lag_ms = excluded.consistency_lag_ms, delivery_attempts_max = excluded.delivery_attempts_max,
         full_sync_interval_ms = excluded.full_sync_interval_ms, feed_max_age_ms = excluded.feed_max_age_ms,
         stale_stock_policy = excluded.stale_stock_policy, stale_stock_buffer = excluded.stale_stock_buffer,
         products_max = excluded.products_max,
         updated_at = now(), sync_due_at = LEAST(vendors.sync_due_at, now())
       RETURNING xmax = 0 AS created`,
      [
        vendor.vendorId,
        vendor.name,
        vendor.kind,
        vendor.baseUrl,
        vendor.enabled,
        vendor.syncIntervalMs,
        vendor.maxConcurrentOrders,
        vendor.credentialEnv,
        vendor.clockMarginMs,
        vendor.consistencyLagMs,
        vendor.deliveryAttemptsMax,
        vendor.fullSyncIntervalMs,
        vendor.feedMaxAgeMs,
        vendor.staleStock.policy,
        vendor.staleStock.bufferQuantity,
        vendor.productsMax,
      ],
    ))!;
    return created;
  }

  async find(on: Connection, vendorId: string): Promise<Vendor | undefined> {
    const found = await row<VendorRow>(on, `SELECT ${VENDOR_COLUMNS} FROM vendors WHERE vendor_id = $1`, [vendorId]);
    return found && vendorOf(found);
  }

  /** How many calls about orders each of the vendors may be given at once, at this moment. */
  callsAllowed(
    on: Connection,
    vendorIds: string[],
  ): Promise<{ vendorId: string; enabled: boolean; callsAllowed: number }[]> {
    return rows(
      on,
      `SELECT v.vendor_id AS "vendorId", v.enabled, ${CALLS_ALLOWED} AS "callsAllowed"
       FROM vendors v ${JOIN_ORDERS_BREAKER} WHERE v.vendor_id = ANY ($1)`,
      [vendorIds],
    );
  }

  async ids(on: Connection): Promise<string[]> {
    const found = await rows<{ vendorId: string }>(on, 'SELECT vendor_id AS "vendorId" FROM vendors');
    return found.map(({ vendorId }) => vendorId);
  }

  /** Answers whether there is such a vendor. */
  async setPaused(on: Connection, vendorId: string, paused: boolean): Promise<boolean> {
    const statement = 'UPDATE vendors SET paused = $2 WHERE vendor_id = $1 RETURNING vendor_id';
    return (await row(on, statement, [vendorId, paused])) !== undefined;
  }

  /** Vendors in id order, as they are at this moment. */
  async listNow(
    on: Connection,
    query: { intervalMsDefault: number; vendorId?: string; after?: string; limit: number },
  ): Promise<VendorNow[]> {
    const found = await rows<VendorRow & NowRow>(
      on,
      `SELECT ${VENDOR_COLUMNS}, paused, ${breakerStateSql('orders')} AS orders_breaker,
              ${breakerStateSql('stock')} AS stock_breaker, synced_at, ${staleSql('$1::integer')} AS stale,
              floor(extract(epoch FROM now() - synced_at))::integer AS stock_age_seconds
       FROM vendors v
       WHERE ($2::varchar IS NULL OR vendor_id = $2) AND ($3::varchar IS NULL OR vendor_id > $3)
       ORDER BY vendor_id LIMIT $4`,
      [query.intervalMsDefault, query.vendorId ?? null, query.after ?? null, query.limit],
    );
    return found.map((vendor) => ({
      ...vendorOf(vendor),
      breaker: vendor.orders_breaker,
      breakers: { orders: vendor.orders_breaker, stock: vendor.stock_breaker },
      paused: vendor.paused,
      lastSyncAt: vendor.synced_at?.toISOString() ?? null,
      stockAgeSeconds: vendor.stock_age_seconds,
      stale: vendor.stale,
    }));
  }
}

export function vendorOf(found: VendorRow): Vendor {
  return {
    vendorId: found.vendor_id,
    name: found.name,
    kind: found.kind,
    baseUrl: found.base_url,
    enabled: found.enabled,
    syncIntervalMs: found.sync_interval_ms,
    maxConcurrentOrders: found.max_concurrent_orders,
    credentialEnv: found.credential_env,
    clockMarginMs: found.clock_margin_ms,
    consistencyLagMs: found.consistency_lag_ms,
    deliveryAttemptsMax: found.delivery_attempts_max,
    fullSyncIntervalMs: found.full_sync_interval_ms,
    feedMaxAgeMs: found.feed_max_age_ms,
    staleStock: { policy: found.stale_stock_policy, bufferQuantity: found.stale_stock_buffer },
    productsMax: found.products_max,
  };
}
