import { DataSource } from 'typeorm';
import { databaseFailure } from '../../../src/database/database-errors';
import { ListTooSlow } from '../../../src/database/lists.errors';
import { ListsDataSource, OutcomesDataSource, PlacingDataSource, sharesOf } from '../../../src/database/pools';
import { LeaseRepository } from '../../../src/database/lease.repository';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { ScriptedStock } from '../../support/scripted-stock';

const TOTAL = 10;
const WAIT_MS = 300;

describe('the connections of a process', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp({ DATABASE_POOL_MAX: String(TOTAL), DATABASE_POOL_WAIT_MS: String(WAIT_MS) });
    vendor = await ScriptedVendor.listen();
    vendor.accepts('2026-01-01T00:00:00Z');
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    new ScriptedStock(app.context).lists(null, { A: 1000 });
    await app.sync('acme');
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await vendor.close();
    await app.close();
  });

  const pool = (of: typeof DataSource): DataSource => app.context.get(of);
  const place = async () =>
    (await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' })).order;
  const list = () => app.context.get(OrderQueries).list({ limit: 10 });
  const dispatch = async () => {
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
  };
  const statusOf = async (orderId: string) =>
    (await app.dataSource.query('SELECT status FROM orders WHERE order_id = $1', [orderId]))[0].status;

  /** Has every connection of a pool busy while the work is done. */
  const whileBusy = async <Result>(of: typeof DataSource, work: () => Promise<Result>): Promise<Result> => {
    const busy = Array.from({ length: pool(of).options.poolSize! }, () => pool(of).createQueryRunner());
    try {
      for (const each of busy) await each.connect();
      return await work();
    } finally {
      for (const each of busy) await each.release();
    }
  };

  it.each([
    ['lists', ListsDataSource],
    ['outcomes', OutcomesDataSource],
    ['everything else', DataSource],
  ])('place orders though those for %s are all busy', async (_, of) => {
    await whileBusy(of, async () => {
      const placed = await Promise.all(Array.from({ length: 20 }, place));
      expect(new Set(placed.map(({ orderId }) => orderId)).size).toBe(20);
    });
  });

  it.each([
    ['placing', PlacingDataSource],
    ['lists', ListsDataSource],
    ['everything else', DataSource],
  ])('record what came of an order, and keep leases, though those for %s are all busy', async (_, of) => {
    const { orderId } = await place();
    const on = pool(OutcomesDataSource).manager;
    const taken = await whileBusy(of, async () => {
      await dispatch();
      return app.context.get(LeaseRepository).take(on, 'some chore', 1000);
    });
    expect([taken, await statusOf(orderId)]).toEqual([true, 'completed']);
  });

  it.each([
    ['placing', PlacingDataSource],
    ['outcomes', OutcomesDataSource],
    ['everything else', DataSource],
  ])('list orders though those for %s are all busy', async (_, of) => {
    await place();
    expect(await whileBusy(of, list)).toHaveLength(1);
  });

  it('refuse a list within the time that a request waits where those for lists are all busy', async () => {
    const refused = await whileBusy(ListsDataSource, () => list().catch((error: unknown) => error));
    expect(databaseFailure(refused)).toBe('exhausted');
  });

  it('end a list after two seconds, and say that it is too slow', async () => {
    const startedAt = performance.now();
    const reading = app.context.get(ListsDataSource).read((on) => on.query('SELECT pg_sleep(20)'));
    await expect(reading).rejects.toThrow(ListTooSlow);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await expect(reading).rejects.toMatchObject({ code: 'OVERLOADED' });
  });

  it('are never more than DATABASE_POOL_MAX, whatever is asked of all at once', async () => {
    const all = [DataSource, PlacingDataSource, OutcomesDataSource, ListsDataSource].map(pool);
    const own = `SELECT count(*)::integer AS count FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%of the process%'`;
    const asked = all.flatMap((each) =>
      Array.from({ length: 20 }, () => each.query(`SELECT pg_sleep(0.1) /* of the process */`).catch(() => undefined)),
    );
    const counts: number[] = [];
    let over = false;
    const ended = Promise.all(asked).then(() => void (over = true));
    while (!over) counts.push((await app.dataSource.query(own))[0].count);
    await ended;
    expect(Math.max(...counts)).toBe(TOTAL);
  });
});

describe('the division of DATABASE_POOL_MAX', () => {
  const totals = Array.from({ length: 499 }, (_, index) => index + 2);

  it.each(['api', 'worker', 'all'] as const)('gives away all of it and no more in mode %s', (mode) => {
    for (const total of totals) {
      const shares = sharesOf(mode, total);
      expect(shares.placing + shares.outcomes + shares.lists + shares.rest).toBe(total);
      for (const share of Object.values(shares)) expect(share === 0 || share >= 2).toBe(true);
      expect(shares.rest).toBeGreaterThanOrEqual(2);
    }
  });

  it('is what the manual says for the default', () => {
    expect(sharesOf('all', 10)).toEqual({ placing: 2, outcomes: 2, lists: 2, rest: 4 });
    expect(sharesOf('api', 10)).toEqual({ placing: 3, outcomes: 0, lists: 2, rest: 5 });
    expect(sharesOf('worker', 10)).toEqual({ placing: 0, outcomes: 4, lists: 0, rest: 6 });
  });
});
