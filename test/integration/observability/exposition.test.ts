import { createServer } from 'node:net';
import { once } from 'node:events';
import { DataSource } from 'typeorm';
import { Exposition } from '../../../src/observability/metrics/exposition';
import { SharedMetricsCollector } from '../../../src/observability/metrics/shared-metrics-collector';
import { DispatchConsumers } from '../../../src/orders/fulfilment/dispatch-consumers';
import { Batch } from '../../../src/orders/placement/batch';
import { Placement } from '../../../src/orders/placement/placement';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { createApp, type TestApp } from '../../support/app';
import { parseMetrics, valueOf } from '../../support/metrics';
import { TcpProxy } from '../../support/proxy';
import { waitFor } from '../../support/wait';

/** A scrape is answered within this, whatever is away. */
const SCRAPE_MS_MAX = 1000;
const POOL_MAX = 3;

describe('what a scrape gets', () => {
  let app: TestApp;
  let proxy: TcpProxy;

  beforeEach(async () => {
    app = await createApp({ DATABASE_POOL_MAX: String(POOL_MAX) }, async (databaseUrl) => {
      const url = new URL(databaseUrl);
      proxy = await TcpProxy.listen();
      proxy.forwardTo(Number(url.port));
      url.port = String(proxy.port);
      return url.toString();
    });
    await app.register({ vendorId: 'acme', baseUrl: 'http://127.0.0.1:9', maxConcurrentOrders: 4 });
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await app.close();
    await proxy.close();
  });

  const told = async () => parseMetrics(await app.context.get(Exposition).text());
  const value = async (name: string, labels: Record<string, string> = {}) => valueOf(await told(), name, labels);
  const query = (statement: string) => app.dataSource.query(statement);

  it('is of one process, though another one runs beside it in the same', async () => {
    const other = await app.another();
    await app.context
      .get(Placement)
      .place({ productId: 'acme:A', quantity: 1 }, { client: 'test' })
      .catch(() => {});
    const rejected = { vendor: '_unknown', result: 'rejected' };
    expect(await value('holdfast_orders_placed_total', rejected)).toBe(1);
    const others = parseMetrics(await other.get(Exposition).text());
    expect(valueOf(others, 'holdfast_orders_placed_total', rejected)).toBeUndefined();
  });

  it.each(['refuses', 'hangs'])(
    'comes in time while the database %s, without what only the database knows',
    async (how) => {
      await app.context.get(SharedMetricsCollector).runOnce();
      expect(await value('holdfast_outbox_pending')).toBe(0);
      expect(await value('holdfast_vendor_breaker_state', { vendor: 'acme', operation: 'orders' })).toBe(0);
      const silent = createServer(() => undefined).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      proxy.cut();
      if (how === 'hangs') proxy.forwardTo((silent.address() as { port: number }).port);
      const startedAt = performance.now();
      const metrics = await told();
      expect(performance.now() - startedAt).toBeLessThan(SCRAPE_MS_MAX);
      expect(valueOf(metrics, 'holdfast_outbox_pending')).toBeUndefined();
      expect(metrics.samples.filter(({ name }) => name === 'holdfast_vendor_breaker_state')).toEqual([]);
      expect(valueOf(metrics, 'holdfast_sweeper_reemitted_total')).toBe(0);
      proxy.cut();
      silent.close();
    },
  );

  it('says who waits for a connection, and does not count itself', async () => {
    const pool = app.context.get(DataSource);
    const holders = Array.from({ length: POOL_MAX }, () => pool.createQueryRunner());
    for (const holder of holders) await holder.connect();
    const waiting = pool.query('SELECT 1');
    expect(await value('holdfast_db_pool_connections', { state: 'waiting' })).toBe(1);
    expect(await value('holdfast_db_pool_connections', { state: 'total' })).toBe(POOL_MAX);
    expect(await value('holdfast_db_pool_connections', { state: 'idle' })).toBe(0);
    for (const holder of holders) await holder.release();
    await waiting;
    await waitFor(async () => (await value('holdfast_db_pool_connections', { state: 'waiting' })) === 0, {
      withinMs: 5000,
      what: 'nobody to wait',
    });
  });

  it('says of each breaker whether it is closed, half open or open', async () => {
    const states = async () =>
      Promise.all(
        ['orders', 'stock'].map((operation) => value('holdfast_vendor_breaker_state', { vendor: 'acme', operation })),
      );
    expect(await states()).toEqual([0, 0]);
    await query(
      `INSERT INTO vendor_breakers (vendor_id, operation, opening, pauses, open_until)
       VALUES ('acme', 'orders', 1, 1, now() + interval '1 minute'), ('acme', 'stock', 2, 1, now())`,
    );
    expect(await states()).toEqual([2, 1]);
    await query('UPDATE vendor_breakers SET open_until = NULL, closed_at = now()');
    expect(await states()).toEqual([0, 0]);
  });

  it('says nothing of a breaker that nothing will close: no order is sent, or no stock polled', async () => {
    await query(
      `INSERT INTO vendor_breakers (vendor_id, operation, opening, pauses, open_until)
       VALUES ('acme', 'orders', 1, 1, now() - interval '16 minutes'), ('acme', 'stock', 2, 1, now())
       ON CONFLICT (vendor_id, operation) DO UPDATE SET open_until = excluded.open_until`,
    );
    expect(await value('holdfast_vendor_breaker_state', { vendor: 'acme', operation: 'orders' })).toBeUndefined();
    expect(await value('holdfast_vendor_breaker_state', { vendor: 'acme', operation: 'stock' })).toBe(1);
    await query('UPDATE vendors SET enabled = false');
    expect(await value('holdfast_vendor_breaker_state', { vendor: 'acme', operation: 'stock' })).toBeUndefined();
    await query('UPDATE vendors SET enabled = true');
  });

  it('says how many consumers the queue of a vendor with something to do shall have, and has', async () => {
    const consumers = async () =>
      Promise.all(['wanted', 'open'].map((state) => value('holdfast_consumers', { vendor: 'acme', state })));
    const look = () => app.context.get(DispatchConsumers).runOnce();
    expect(await consumers()).toEqual([undefined, undefined]);
    await look();
    expect(await consumers()).toEqual([undefined, undefined]);
    await query(
      `INSERT INTO outbox (message_id, vendor_id, subject, type, payload, attempt, due_at)
       VALUES ('m', 'acme', 's', 't', '{}', 1, now())`,
    );
    await look();
    expect(await consumers()).toEqual([4, 4]);
    await app.context.get(VendorRegistry).setPaused('acme', true);
    await look();
    expect(await consumers()).toEqual([0, 0]);
  });

  it('counts an order as an error when the database fails it, and when too many wait', async () => {
    let fail = (_: Error): void => undefined;
    jest.spyOn(app.context.get(Batch), 'commit').mockImplementation(() => new Promise((_, reject) => (fail = reject)));
    const placement = app.context.get(Placement);
    const place = () => placement.place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    const failed = Promise.allSettled(Array.from({ length: 2500 }, place));
    const errors = () => value('holdfast_orders_placed_total', { vendor: '_unknown', result: 'error' });
    // A lane lets 2000 wait.
    await waitFor(async () => (await errors()) === 500, { withinMs: 5000, what: 'the last 500 to be turned away' });
    const failing = setInterval(() => fail(Object.assign(new Error('no'), { code: 'ECONNREFUSED' })), 1);
    await failed;
    clearInterval(failing);
    expect(await errors()).toBe(2500);
  });
});
