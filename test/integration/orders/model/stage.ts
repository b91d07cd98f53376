import { Placement } from '../../../../src/orders/placement/placement';
import { StockSync } from '../../../../src/stock/sync/stock-sync';
import type { SyncLease } from '../../../../src/stock/sync/sync-lease.repository';
import { Breaker } from '../../../../src/vendors/breaker/breaker';
import { createApp, type TestApp } from '../../../support/app';
import { freePort } from '../../../support/processes';
import { secondPlacement } from '../../../support/second-placement';
import { Books } from './books';
import { CLOCK_MARGIN_MS, FEED_AHEAD_MS, type History, SKUS, VENDORS, type VendorId } from './history';
import { ModelVendor } from './model-vendor';

/** Vendors' clocks are their own, and behind ours: a listing from the future would be held. */
const CLOCK_BEHIND_MS: Record<VendorId, number> = { north: 3_600_000, south: 7_200_000 };
/** Deltas are asked for in between, unless a step says that it is over. */
const FULL_SYNC_INTERVAL_MS = 3_600_000;
/** Few, so that some orders end with an operator. */
const ATTEMPTS_MAX = 2;

/** The app as two processes place through it, and its vendors; one history after the other is played on it. */
export class Stage {
  private constructor(
    readonly app: TestApp,
    readonly vendors: Record<VendorId, ModelVendor>,
    /** Each with lanes of its own, as in two processes. */
    readonly placements: [Placement, Placement],
    private readonly deadUrl: string,
  ) {}

  static async build(): Promise<Stage> {
    const app = await createApp({ DELIVERY_ATTEMPTS_MAX: String(ATTEMPTS_MAX) });
    const { context } = app;
    const vendors = {
      north: await ModelVendor.listen('north', true),
      south: await ModelVendor.listen('south', false),
    };
    return new Stage(
      app,
      vendors,
      [context.get(Placement), secondPlacement(context)],
      `http://127.0.0.1:${await freePort()}`,
    );
  }

  get sync(): StockSync {
    return this.app.context.get(StockSync);
  }

  async takeDown(): Promise<void> {
    await Promise.all(Object.values(this.vendors).map((vendor) => vendor.close()));
    await this.app.close();
  }

  /** Nothing of an earlier history is left; every vendor was polled once. */
  async set({ stock }: History): Promise<void> {
    await this.app.dataSource.query(
      `DELETE FROM dead_letters; DELETE FROM outbox; DELETE FROM idempotency_keys; DELETE FROM dispatch_attempts;
       DELETE FROM order_events; DELETE FROM orders; DELETE FROM products;
       DELETE FROM stock_sync_runs; DELETE FROM vendor_slots; DELETE FROM vendor_breakers;
       DELETE FROM vendor_former_addresses; DELETE FROM vendors`,
    );
    for (const vendorId of VENDORS) {
      const bySku = Object.fromEntries(SKUS.map((sku) => [sku, stock[`${vendorId}:${sku}`]!]));
      const clockMs = Date.now() - CLOCK_BEHIND_MS[vendorId];
      this.vendors[vendorId].open(new Books(bySku, clockMs, FEED_AHEAD_MS[vendorId]));
      await this.reach(vendorId, true);
      await this.forgetFailures(vendorId);
      await this.app.sync(vendorId);
    }
  }

  /** What the process remembers of an earlier history would make this one another each time it is played. */
  private async forgetFailures(vendorId: VendorId): Promise<void> {
    for (const operation of ['orders', 'stock'] as const) {
      const leave = { vendorId, operation, opening: null, givenAt: performance.now() };
      await this.app.context.get(Breaker).note(leave, 'well');
    }
  }

  /** Whether calls get through to the vendor from now on; its books are the same. */
  async reach(vendorId: VendorId, reachable: boolean): Promise<void> {
    const baseUrl = reachable ? this.vendors[vendorId].baseUrl : this.deadUrl;
    const settings = {
      vendorId,
      baseUrl,
      maxConcurrentOrders: 16,
      clockMarginMs: CLOCK_MARGIN_MS[vendorId],
      fullSyncIntervalMs: FULL_SYNC_INTERVAL_MS,
    };
    await this.app.register(settings, { moved: true });
  }

  /**
   * The right to poll a vendor, for a complete listing where one is due. Whoever has it loses it, as if that one were
   * dead; undefined where another one comes in between.
   */
  async leaseSync(vendorId: VendorId, { complete }: { complete: boolean }): Promise<SyncLease | undefined> {
    await this.app.dataSource.query(
      `UPDATE vendors SET sync_due_at = now(), sync_leased_until = NULL,
              full_synced_at = CASE WHEN $2 THEN NULL ELSE full_synced_at END
       WHERE vendor_id = $1`,
      [vendorId, complete],
    );
    return this.sync.takeDue();
  }

  /** Nobody polls, and nobody is due. */
  async calmSyncs(): Promise<void> {
    await this.app.dataSource.query(
      `UPDATE vendors SET sync_due_at = now() + interval '1 hour', sync_leased_until = NULL`,
    );
  }

  /** So long that complete listings are due, and with their rows where a hold waits for them. */
  async letIntervalsPass(): Promise<void> {
    await this.app.dataSource.query(
      `UPDATE vendors SET full_synced_at = NULL;
       UPDATE orders SET acknowledged_at = acknowledged_at - interval '1 hour' WHERE hold_state = 'acknowledged'`,
    );
  }

  /** Deadlines of calls pass, leases of the dead run out, breakers' pauses end, and what was late arrives before that. */
  async letTimePass(): Promise<void> {
    for (const { books } of Object.values(this.vendors)) books.arrive();
    await this.app.dataSource.query(
      `UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour' WHERE closed_at IS NULL;
       UPDATE orders SET claimed_until = claimed_until - interval '1 hour' WHERE claimed_until IS NOT NULL;
       UPDATE vendor_slots SET leased_until = leased_until - interval '1 hour' WHERE leased_until IS NOT NULL;
       UPDATE vendor_breakers
       SET open_until = open_until - interval '1 hour', closed_at = closed_at - interval '1 hour'`,
    );
  }
}
