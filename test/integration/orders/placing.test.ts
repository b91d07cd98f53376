import { DataSource } from 'typeorm';
import { databaseFailure } from '../../../src/database/database-errors';
import { Placement } from '../../../src/orders/placement/placement';
import { Batch } from '../../../src/orders/placement/batch';
import { OrderQueries } from '../../../src/orders/order-queries';
import { KeyExpiry } from '../../../src/orders/placement/key-expiry';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { lockWaits } from '../../support/lock-waits';
import { secondPlacement } from '../../support/second-placement';
import { at } from '../../support/time';

const ROUNDS = 20;

describe('placing an order', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;
  let placement: Placement;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 10, B: 10 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
    placement = app.context.get(Placement);
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  const order = (quantity: number, idempotencyKey?: string, sku = 'A', client = 'shop') =>
    placement.place({ productId: `acme:${sku}`, quantity }, { client, idempotencyKey });

  async function counts(): Promise<Record<string, number>> {
    const [found] = await app.dataSource.query(
      `SELECT (SELECT count(*)::integer FROM orders) AS orders, (SELECT count(*)::integer FROM order_events) AS events,
              (SELECT count(*)::integer FROM outbox) AS outbox, (SELECT count(*)::integer FROM idempotency_keys) AS keys,
              (SELECT sum(reserved_quantity)::integer FROM products) AS reserved`,
    );
    return found;
  }

  it('writes order, event and message together, and reserves the stock', async () => {
    const placed = await order(3);
    expect(placed).toMatchObject({
      replayed: false,
      order: { status: 'pending', unitPrice: '10.00', totalPrice: '30.00' },
    });
    expect(await counts()).toEqual({ orders: 1, events: 1, outbox: 1, keys: 0, reserved: 3 });
  });

  it('records with each order what was available when it was granted', async () => {
    await order(3);
    await order(4);
    expect(
      await app.dataSource.query('SELECT available_quantity AS available FROM orders ORDER BY created_at'),
    ).toEqual([{ available: 10 }, { available: 7 }]);
  });

  it.each([
    ['more than there is', () => order(11), 'INSUFFICIENT_STOCK'],
    ['an unknown product', () => order(1, undefined, 'X'), 'PRODUCT_NOT_FOUND'],
  ])('refuses %s and leaves nothing behind', async (_, place, code) => {
    await expect(place()).rejects.toMatchObject({ code });
    expect(await counts()).toEqual({ orders: 0, events: 0, outbox: 0, keys: 0, reserved: 0 });
  });

  it('refuses orders at a disabled vendor', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, enabled: false });
    await expect(order(1)).rejects.toMatchObject({ code: 'VENDOR_DISABLED' });
    expect(await counts()).toMatchObject({ orders: 0, reserved: 0 });
  });

  it('never grants more than there is, whoever asks at once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 60 }, (_, index) => order((index % 3) + 1)));
    const granted = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.order.quantity] : []));
    const sum = granted.reduce((total, quantity) => total + quantity, 0);
    expect(sum).toBe(10);
    expect(await counts()).toMatchObject({ orders: granted.length, outbox: granted.length, reserved: 10 });
  });

  it('decides on the newest stock, though it waited for the row with an older one in sight', async () => {
    const skus = Array.from({ length: ROUNDS }, (_, round) => `R${round}`);
    vendor.lists(at(-30), Object.fromEntries(skus.map((sku) => [sku, 10])));
    await app.sync('acme');
    const processes = [placement, secondPlacement(app.context)];
    let waited = 0;
    // A row is waited for for a tenth of a second, and tried again then: a busy machine may miss to see that.
    for (const sku of skus) {
      const holder = app.dataSource.createQueryRunner();
      await holder.startTransaction();
      await holder.query('SET LOCAL idle_in_transaction_session_timeout = 0');
      await holder.query('SELECT FROM products WHERE product_id = $1 FOR NO KEY UPDATE', [`acme:${sku}`]);
      const line = { productId: `acme:${sku}`, quantity: 6 };
      const answers = Promise.allSettled(processes.map((process) => process.place(line, { client: 'shop' })));
      const until = performance.now() + 100;
      while (waited < 2 && performance.now() < until) waited = await lockWaits(app.dataSource);
      await holder.rollbackTransaction();
      await holder.release();
      expect((await answers).map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      if (waited === 2) return;
    }
    throw new Error('No round had both of them wait for the row.');
  });

  it('answers the first answer again to the same key and body', async () => {
    const first = await order(2, 'key');
    expect(await order(2, 'key')).toEqual({ order: first.order, replayed: true });
    expect(await counts()).toMatchObject({ orders: 1, reserved: 2 });
  });

  it('remembers that stock was insufficient, and forgets other refusals', async () => {
    await expect(order(11, 'key')).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK', headers: {} });
    await expect(order(11, 'key')).rejects.toMatchObject({ headers: { 'idempotency-replayed': 'true' } });
    await expect(order(1, 'other', 'X')).rejects.toMatchObject({ code: 'PRODUCT_NOT_FOUND' });
    expect(await order(1, 'other')).toMatchObject({ replayed: false });
  });

  it('refuses a key that was used with another body, and lets another client use it', async () => {
    await order(2, 'key');
    await expect(order(3, 'key')).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    expect(await order(3, 'key', 'A', 'another shop')).toMatchObject({ replayed: false });
  });

  it('gives one order to one key, however many ask at once', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => order(1, 'key')));
    expect(new Set(results.map((placed) => placed.order.orderId)).size).toBe(1);
    expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await counts()).toMatchObject({ orders: 1, reserved: 1, keys: 1 });
  });

  it('answers the first answer again, though another process has the key for the same just now', async () => {
    const { order: first } = await order(1, 'key');
    await expect(order(11, 'refused')).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' });
    const other = app.dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    for (const key of ['key', 'refused']) {
      await other.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        JSON.stringify(['shop', 'POST /v1/orders', key]),
      ]);
    }
    const repeated = await Promise.allSettled([order(1, 'key'), order(11, 'refused'), order(2, 'key')]);
    await other.rollbackTransaction();
    await other.release();
    expect(repeated).toMatchObject([
      { value: { order: first, replayed: true } },
      { reason: { code: 'INSUFFICIENT_STOCK', headers: { 'idempotency-replayed': 'true' } } },
      { reason: { code: 'IDEMPOTENCY_KEY_REUSED' } },
    ]);
  });

  it('answers at once that another process has the key, and lets the strangers in the same batch through', async () => {
    const other = app.dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await other.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
      JSON.stringify(['shop', 'POST /v1/orders', 'key']),
    ]);
    const results = await Promise.allSettled([order(1), order(1, 'key'), order(1, 'other'), order(1, 'key')]);
    await other.rollbackTransaction();
    await other.release();
    expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'placed'))).toEqual([
      'placed',
      'IDEMPOTENCY_IN_PROGRESS',
      'placed',
      'IDEMPOTENCY_IN_PROGRESS',
    ]);
    expect(await order(1, 'key')).toMatchObject({ replayed: false });
  });

  it('decides orders of one batch in their order, each by itself', async () => {
    const results = await Promise.allSettled([
      order(6),
      order(6),
      order(3),
      order(2),
      order(1, 'key'),
      order(2, 'key'),
    ]);
    expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'placed'))).toEqual([
      'placed',
      'INSUFFICIENT_STOCK',
      'placed',
      'INSUFFICIENT_STOCK',
      'placed',
      'IDEMPOTENCY_KEY_REUSED',
    ]);
    expect(await counts()).toMatchObject({ orders: 3, reserved: 10 });
  });

  it('lets a bad order harm no other of its batch', async () => {
    const bad = 'x'.repeat(300);
    const results = await Promise.allSettled([
      order(1),
      order(1, undefined, 'A', bad),
      order(1, 'key'),
      order(1, undefined, 'B'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(await counts()).toMatchObject({ orders: 3, outbox: 3, reserved: 3, keys: 1 });
  });

  it.each([
    ['after', true],
    ['before', false],
  ])('finds out by the orders’ ids what became of a connection lost %s its commit', async (_, committed) => {
    const batch = app.context.get(Batch);
    const commit = batch.commit.bind(batch);
    const lost = jest.spyOn(batch, 'commit').mockImplementationOnce(async (asked, skipLocked) => {
      if (committed) await commit(asked, skipLocked);
      throw new Error('Connection terminated unexpectedly');
    });
    const results = await Promise.all([order(1), order(2, 'key'), order(3)]);
    expect(lost).toHaveBeenCalledTimes(committed ? 1 : 2);
    expect(results.map((placed) => placed.order.quantity)).toEqual([1, 2, 3]);
    expect(await counts()).toMatchObject({ orders: 3, events: 3, outbox: 3, keys: 1, reserved: 6 });
    expect(await order(2, 'key')).toMatchObject({ replayed: true, order: { orderId: results[1].order.orderId } });
  });

  it('waits for a connection as long as a request may, and not again', async () => {
    const slow = await createApp({ DATABASE_POOL_MAX: '2', DATABASE_POOL_WAIT_MS: '100' });
    const taken = [slow, slow].map(() => slow.context.get(DataSource).createQueryRunner());
    for (const runner of taken) await runner.connect();
    const commit = jest.spyOn(slow.context.get(Batch), 'commit');
    const findPlaced = jest.spyOn(slow.context.get(OrderQueries), 'findMany');
    const placing = slow.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'shop' });
    await expect(placing).rejects.toThrow('timeout exceeded when trying to connect');
    expect([commit.mock.calls.length, findPlaced.mock.calls.length]).toEqual([1, 0]);
    for (const runner of taken) await runner.release();
    await slow.close();
  });

  it('waits for a slow statement as long as the database lets it, and not again', async () => {
    const slow = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
    const commit = jest.spyOn(app.context.get(Batch), 'commit').mockRejectedValue(slow);
    const failed = await Promise.all([order(1), order(1)].map((placing) => placing.catch((error: unknown) => error)));
    expect(failed.map((error) => databaseFailure(error))).toEqual(['overdue', 'overdue']);
    expect(commit.mock.calls.length).toBeLessThanOrEqual(2);
    commit.mockRestore();
    expect(await counts()).toMatchObject({ orders: 0 });
  });

  it('is free to use a key again once it has expired', async () => {
    const first = await order(1, 'key');
    await app.dataSource.query(`UPDATE idempotency_keys SET expires_at = now() - interval '1 second'`);
    expect((await order(1, 'key')).order.orderId).not.toBe(first.order.orderId);
    await app.dataSource.query(`UPDATE idempotency_keys SET expires_at = now() - interval '1 second'`);
    await app.context.get(KeyExpiry).runOnce();
    expect(await counts()).toMatchObject({ keys: 0 });
  });
});
