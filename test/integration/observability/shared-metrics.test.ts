import type { INestApplicationContext } from '@nestjs/common';
import type { Connection } from '../../../src/database/sql';
import { rows } from '../../../src/database/sql';
import { newId } from '../../../src/database/new-id';
import { Exposition } from '../../../src/observability/metrics/exposition';
import { SharedMetrics } from '../../../src/observability/metrics/shared-metrics';
import { SharedMetricsCollector } from '../../../src/observability/metrics/shared-metrics-collector';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { parseMetrics, valueOf } from '../../support/metrics';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

/** What is told is no older than this. */
const AGE_SECONDS_MAX = 15;
/** The loop's pause. */
const LOOK_SECONDS = 2;

describe('what all processes share', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 100 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, syncIntervalMs: 7000 });
    await app.sync('acme');
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await vendor.close();
    await app.close();
  });

  const query = (statement: string) => app.dataSource.query(statement);
  const count = (context = app.context) => context.get(SharedMetricsCollector).runOnce();
  const told = async (context: INestApplicationContext = app.context) =>
    parseMetrics(await context.get(Exposition).text());
  const value = async (name: string, labels: Record<string, string> = {}, context = app.context) =>
    valueOf(await told(context), name, labels);
  const place = () => app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
  const leaseEnds = () => query('UPDATE leases SET leased_until = clock_timestamp()');

  it('is counted from the tables', async () => {
    await place();
    await place();
    await query(`UPDATE orders SET created_at = created_at - interval '30 s'`);
    await query(`UPDATE outbox SET due_at = due_at - interval '20 s'`);
    await query(`UPDATE vendors SET synced_at = now() - interval '40 s'`);
    await query(
      `UPDATE orders SET needs_attention = true, attention_reason = 'why'
       WHERE order_id = (SELECT max(order_id) FROM orders)`,
    );
    for (const named of [`'acme'`, `'acme'`, 'NULL'])
      await query(
        `INSERT INTO dead_letters (dead_letter_id, vendor_id, cause, payload) VALUES ('${newId()}', ${named}, 'why', '{}')`,
      );
    await count();
    const acme = { vendor: 'acme' };
    expect(await value('holdfast_outbox_pending')).toBe(2);
    expect(await value('holdfast_outbox_oldest_seconds')).toBe(20);
    expect(await value('holdfast_queue_depth', acme)).toBe(1);
    expect(await value('holdfast_queue_oldest_seconds', acme)).toBe(30);
    expect(await value('holdfast_orders_attention')).toBe(1);
    expect(await value('holdfast_dead_letters', acme)).toBe(2);
    expect(await value('holdfast_dead_letters', { vendor: '_unknown' })).toBe(1);
    expect(await value('holdfast_stock_sync_interval_seconds', acme)).toBe(7);
    expect(await value('holdfast_stock_age_seconds', acme)).toBeCloseTo(40, -1);
    const syncedAt = await value('holdfast_stock_last_success_timestamp_seconds', acme);
    expect(Date.now() / 1000 - syncedAt!).toBeCloseTo(40, -1);
  });

  it('is nothing of a vendor that has nothing, and no age of one that was never polled or is disabled', async () => {
    await app.register({ vendorId: 'globex', baseUrl: vendor.baseUrl, enabled: false });
    await count();
    const globex = { vendor: 'globex' };
    expect(await value('holdfast_queue_depth', globex)).toBe(0);
    expect(await value('holdfast_dead_letters', globex)).toBe(0);
    expect(await value('holdfast_stock_age_seconds', globex)).toBeUndefined();
    expect(await value('holdfast_stock_sync_interval_seconds', globex)).toBeUndefined();
    expect(await value('holdfast_stock_sync_interval_seconds', { vendor: 'acme' })).toBe(7);
  });

  it('is counted by one worker, and told by both', async () => {
    const other = await app.another();
    await place();
    await count();
    await place();
    await count(other);
    expect(await value('holdfast_outbox_pending')).toBe(1);
    expect(await value('holdfast_outbox_pending', {}, other)).toBe(1);
  });

  it('is counted by the other one when the first has died, before what was counted is too old to be told', async () => {
    const other = await app.another();
    await count();
    const [{ seconds }] = await query('SELECT extract(epoch FROM leased_until - now())::float8 AS seconds FROM leases');
    expect(seconds + LOOK_SECONDS).toBeLessThan(AGE_SECONDS_MAX - LOOK_SECONDS);
    await place();
    await leaseEnds();
    await count(other);
    expect(await value('holdfast_outbox_pending', {}, other)).toBe(1);
  });

  it('is not told when it is older than 15 s, and everything else is', async () => {
    await count();
    await query(`UPDATE shared_metrics SET counted_at = now() - interval '${AGE_SECONDS_MAX - 2} s'`);
    expect(await value('holdfast_outbox_pending')).toBe(0);
    await query(`UPDATE shared_metrics SET counted_at = now() - interval '${AGE_SECONDS_MAX} s'`);
    const { samples, types } = await told();
    const shared = app.context.get(SharedMetrics).sources.flatMap(({ gauges }) => gauges.map(({ name }) => name));
    expect(shared.length).toBeGreaterThanOrEqual(9);
    expect(samples.filter(({ name }) => shared.includes(name))).toEqual([]);
    expect(shared.map((name) => types.get(name))).toEqual(shared.map(() => 'gauge'));
    expect(await value('holdfast_db_pool_connections', { state: 'waiting' })).toBe(0);
  });

  it('misses what could not be counted, and has the rest', async () => {
    const letters = app.context
      .get(SharedMetrics)
      .sources.find(({ gauges }) => gauges.some(({ name }) => name === 'holdfast_dead_letters'))!;
    jest.spyOn(letters, 'count').mockImplementation((on) => rows(on, 'SELECT 1 / 0'));
    await count();
    expect(await value('holdfast_dead_letters', { vendor: 'acme' })).toBeUndefined();
    expect([await value('holdfast_outbox_pending'), await value('holdfast_orders_attention')]).toEqual([0, 0]);
    jest.restoreAllMocks();
    await waitFor(
      async () => {
        await leaseEnds();
        await count();
        return (await value('holdfast_dead_letters', { vendor: 'acme' })) === 0;
      },
      { withinMs: 10_000, what: 'what had failed to be counted again' },
    );
  });

  it('is counted more rarely where counting takes long, and what takes too long rests', async () => {
    const [slow, failing] = app.context.get(SharedMetrics).sources;
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    const counted = jest
      .spyOn(slow!, 'count')
      .mockImplementation(() => Promise.resolve((now += 400.0123)).then(() => []));
    const failed = jest
      .spyOn(failing!, 'count')
      .mockImplementation(() => Promise.reject(new Error(`${(now += 2000)}`)));
    const leaseSeconds = async () => {
      await leaseEnds();
      await count();
      const [{ seconds }] = await query(
        'SELECT extract(epoch FROM leased_until - now())::float8 AS seconds FROM leases',
      );
      return seconds as number;
    };
    expect(await leaseSeconds()).toBeCloseTo(5, 0);
    expect(await leaseSeconds()).toBeCloseTo(10, 0);
    expect([counted.mock.calls.length, failed.mock.calls.length]).toEqual([2, 1]);
    expect(await leaseSeconds()).toBeCloseTo(8, 0);
    now += 40_000;
    await leaseSeconds();
    expect([counted.mock.calls.length, failed.mock.calls.length]).toEqual([4, 2]);
  });

  it('is broken off where counting takes long', async () => {
    const [first] = app.context.get(SharedMetrics).sources;
    const limits: string[] = [];
    jest.spyOn(first!, 'count').mockImplementation(async (on) => {
      const [{ limit }] = await on.query(`SELECT current_setting('statement_timeout') AS limit`);
      limits.push(limit);
      return [];
    });
    await count();
    expect(limits).toEqual(['2s']);
  });

  it('is counted without reading the orders that are decided, however many there are', async () => {
    await query(
      `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, status, hold_state,
                           available_quantity, client)
       SELECT 'past-' || n, 'acme', 'acme:A', 1, 10, 10, 'USD', 'completed', 'settled', 1, 'past'
       FROM generate_series(1, 20000) n`,
    );
    await query(
      `INSERT INTO dead_letters (dead_letter_id, vendor_id, cause, payload, status, decided_at)
       SELECT 'past-' || n, 'acme', 'why', '{}', 'replayed', now() FROM generate_series(1, 20000) n`,
    );
    await place();
    await query('ANALYZE orders');
    await query('ANALYZE dead_letters');
    const plans: string[] = [];
    const explaining = {
      query: async (statement: string, values: unknown[]) => {
        plans.push(JSON.stringify(await rows(app.dataSource.manager, `EXPLAIN ${statement}`, values)));
        return statement.includes('AS pending') || statement.includes('AS count') ? [{}] : [];
      },
    } as unknown as Connection;
    for (const source of app.context.get(SharedMetrics).sources) await source.count(explaining);
    expect(plans.length).toBeGreaterThanOrEqual(5);
    for (const plan of plans) expect(plan).not.toMatch(/Seq Scan on (orders|dead_letters)/);
  });
});
