import { newId } from '../../../src/database/new-id';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { Decision } from '../../../src/stock/sync/decision';
import { StagingRepository } from '../../../src/stock/sync/staging.repository';
import { SyncRunQueries } from '../../../src/stock/sync/sync-run-queries';
import type { SyncRun } from '../../../src/stock/sync/sync-run';
import { openStockRoom, skus, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';

const DECIDED = { note: 'By telephone.', by: 'test' };

describe('a held sync', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    room.stock.lists(at(-60), skus(100, 5), { marks: { position: '1', etag: '"first"' } });
    await room.app.sync('acme');
  });

  afterEach(() => room.close());

  const decision = () => room.app.context.get(Decision);
  const list = async (): Promise<SyncRun[]> =>
    (await room.app.context.get(SyncRunQueries).list('acme', { limit: 50 })).map(({ run }) => run);
  const held = async (): Promise<string> => (await list()).find(({ status }) => status === 'held')!.syncRunId;
  const listed = async (): Promise<number> =>
    (await room.app.dataSource.query('SELECT count(*)::integer AS n FROM products WHERE listed'))[0].n;

  const truncate = async (count = 60, seconds = -50): Promise<string> => {
    room.stock.lists(at(seconds), skus(count, 5));
    await room.app.sync('acme');
    return held();
  };

  it('takes what it lacks off sale when it is accepted, and the picture is complete', async () => {
    const syncRunId = await truncate();
    expect(await listed()).toBe(100);
    const run = await decision().accept('acme', syncRunId, DECIDED);
    expect(run).toMatchObject({ syncRunId, status: 'succeeded', missing: 40, changed: 40, note: 'By telephone.' });
    expect(await listed()).toBe(60);
    expect(await room.product('S99')).toMatchObject({ listed: false, stock: 0 });
    expect(await room.acme()).toMatchObject({ full_as_of: new Date(at(-50)), sync_leased_until: null });
    await expect(room.place('S99', 1)).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' });
  });

  it('settles the holds of what it takes off sale, and their orders keep their product', async () => {
    const orderId = await room.place('S99', 2);
    room.vendor.accepts(at(-55));
    await room.dispatchAll();
    await decision().accept('acme', await truncate(), DECIDED);
    expect(await room.holdOf(orderId)).toBe('settled');
    expect(await room.product('S99')).toMatchObject({ vendor: 0, reserved: 0, listed: false });
    const [order] = await room.app.dataSource.query('SELECT product_id FROM orders');
    expect(order).toEqual({ product_id: 'acme:S99' });
  });

  it('changes nothing when it is rejected', async () => {
    const syncRunId = await truncate();
    expect(await decision().reject('acme', syncRunId, DECIDED)).toMatchObject({ status: 'rejected' });
    expect(await listed()).toBe(100);
    expect(await room.acme()).toMatchObject({ sync_position: '1', sync_etag: '"first"' });
    expect(await truncate(60, -40)).not.toBe(syncRunId);
  });

  it('is decided once', async () => {
    const syncRunId = await truncate();
    const answers = await Promise.allSettled([
      decision().accept('acme', syncRunId, DECIDED),
      decision().accept('acme', syncRunId, DECIDED),
      decision().reject('acme', syncRunId, DECIDED),
    ]);
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(decision().reject('acme', syncRunId, DECIDED)).rejects.toMatchObject({ code: 'SYNC_NOT_HELD' });
  });

  it('is superseded by the next complete listing that is applied', async () => {
    const syncRunId = await truncate();
    room.stock.lists(at(-40), skus(100, 4));
    await room.app.sync('acme');
    await expect(decision().accept('acme', syncRunId, DECIDED)).rejects.toMatchObject({ code: 'SYNC_SUPERSEDED' });
    expect((await list()).map(({ status }) => status)).toEqual(['succeeded', 'superseded', 'succeeded']);
    expect(await listed()).toBe(100);
  });

  it('keeps its name while later listings lack the same, and gives way to one that lacks something else', async () => {
    const syncRunId = await truncate();
    expect(await truncate(60, -45)).toBe(syncRunId);
    expect((await list()).map(({ status }) => status)).toEqual(['superseded', 'held', 'succeeded']);
    const next = await truncate(59, -40);
    expect(next).not.toBe(syncRunId);
    await expect(decision().accept('acme', syncRunId, DECIDED)).rejects.toMatchObject({ code: 'SYNC_SUPERSEDED' });
    expect(await decision().accept('acme', next, DECIDED)).toMatchObject({ status: 'succeeded', missing: 41 });
  });

  it('does not make the time before it believable again', async () => {
    const syncRunId = await truncate();
    expect(await truncate(60, -40)).toBe(syncRunId);
    await decision().accept('acme', syncRunId, DECIDED);
    room.stock.lists(at(-45), skus(60, 9));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'held', heldFor: 'CLOCK' });
    expect(await room.product('S0')).toMatchObject({ vendor: 5 });
  });

  it('is found among many by its status', async () => {
    const syncRunId = await truncate();
    for (const seconds of [-40, -30]) await truncate(60, seconds);
    const found = await room.app.context.get(SyncRunQueries).list('acme', { status: 'held', limit: 50 });
    expect(found.map(({ run }) => run.syncRunId)).toEqual([syncRunId]);
    expect((await list()).map(({ status }) => status)).toEqual(['superseded', 'superseded', 'held', 'succeeded']);
  });

  it('is known by its vendor and its id only', async () => {
    await expect(decision().accept('acme', newId(), DECIDED)).rejects.toMatchObject({ code: 'SYNC_RUN_NOT_FOUND' });
    await expect(decision().accept('nobody', newId(), DECIDED)).rejects.toMatchObject({ code: 'VENDOR_NOT_FOUND' });
    const [{ syncRunId }] = (await list()) as [SyncRun];
    await expect(decision().accept('acme', syncRunId, DECIDED)).rejects.toMatchObject({ code: 'SYNC_NOT_HELD' });
  });

  it('takes the vendor from a run that is under way, which writes nothing more', async () => {
    const syncRunId = await truncate();
    const accept = () => decision().accept('acme', syncRunId, DECIDED);
    room.stock.lists(at(-30), skus(100, 9), { before: accept });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'failed', error: expect.stringMatching(/lease/) });
    expect(await listed()).toBe(60);
    expect(await room.product('S0')).toMatchObject({ vendor: 5 });
  });

  it('can no longer be accepted once a crash of the database has lost its rows', async () => {
    const syncRunId = await truncate();
    await room.app.dataSource.query(`TRUNCATE stock_staging_${syncRunId.replaceAll('-', '')}`);
    await expect(decision().accept('acme', syncRunId, DECIDED)).rejects.toMatchObject({ code: 'SYNC_SUPERSEDED' });
    expect(await listed()).toBe(100);
  });

  it('waits again when it cannot be applied', async () => {
    const syncRunId = await truncate();
    const { dataSource } = room.app;
    await dataSource.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
       CREATE TRIGGER refuse BEFORE UPDATE ON products FOR EACH ROW WHEN (NOT NEW.listed) EXECUTE FUNCTION refuse()`,
    );
    await expect(decision().accept('acme', syncRunId, DECIDED)).rejects.toThrow(/no/);
    await dataSource.query('DROP TRIGGER refuse ON products');
    expect(await decision().accept('acme', syncRunId, DECIDED)).toMatchObject({ status: 'succeeded', changed: 40 });
  });

  it('keeps its rows, and the runs that do not wait keep none', async () => {
    const syncRunId = await truncate();
    await room.app.dataSource.query('CREATE TABLE stock_staging_00000000000070008000000000000000 (n integer)');
    await room.app.context.get(StagingRepository).clear(room.app.dataSource.manager);
    const tables = `SELECT relname FROM pg_class WHERE relname LIKE 'stock\\_staging\\_%' AND relkind = 'r'`;
    expect(await room.app.dataSource.query(tables)).toEqual([
      { relname: `stock_staging_${syncRunId.replaceAll('-', '')}` },
    ]);
  });

  describe('for its time', () => {
    it.each([
      ['moved back', -7200],
      ['jumped ahead', 7200],
    ])('is applied whole when it is accepted, and is where the vendor’s time goes on: %s', async (_, seconds) => {
      room.stock.lists(at(seconds), { ...skus(40, 3), NEW: 1 });
      expect(await room.app.sync('acme')).toMatchObject({ status: 'held', heldFor: 'CLOCK', changed: 0 });
      expect(await room.product('S0')).toMatchObject({ vendor: 5 });
      await decision().accept('acme', await held(), DECIDED);
      expect(await room.product('S0')).toMatchObject({ vendor: 3 });
      expect(await room.product('NEW')).toMatchObject({ vendor: 1 });
      expect(await listed()).toBe(41);
      room.stock.lists(at(seconds + 10), { ...skus(40, 2), NEW: 1 });
      expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', changed: 40 });
      expect(room.stock.lastAsked).toEqual({ kind: 'full', marks: { position: null, etag: null } });
      expect(await room.product('S0')).toMatchObject({ vendor: 2 });
    });

    it('leaves open holds counted until a listing that is asked for afterwards', async () => {
      const late = await room.place('S0', 1);
      await room.dispatchAll();
      const [unanswered] = await room.app.takeMessages();
      const known = await room.place('S0', 1);
      room.vendor.accepts(at(-50));
      await room.dispatchAll();
      room.stock.lists(at(7200), skus(100, 5));
      await room.app.sync('acme');
      await decision().accept('acme', await held(), DECIDED);
      room.vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-50) } });
      await room.app.context.get(Dispatch).dispatch(unanswered!);
      // By its time the listing contains both, but what its time means has just changed.
      expect([await room.holdOf(known), await room.holdOf(late)]).toEqual(['acknowledged', 'acknowledged']);
      expect(await room.product('S0')).toMatchObject({ vendor: 5, reserved: 2, stock: 3 });
      room.stock.lists(at(7210), skus(100, 3));
      await room.app.sync('acme');
      expect([await room.holdOf(known), await room.holdOf(late)]).toEqual(['settled', 'settled']);
    });

    it('settles holds of the old time by our clock, where the vendor’s moved back', async () => {
      const orderId = await room.place('S0', 1);
      room.vendor.accepts(at(-50));
      await room.dispatchAll();
      room.stock.lists(at(-7200), skus(100, 5));
      await room.app.sync('acme');
      await decision().accept('acme', await held(), DECIDED);
      expect(await room.holdOf(orderId)).toBe('acknowledged');
      room.stock.lists(at(-7190), skus(100, 4));
      await room.app.sync('acme');
      // A listing of unknown age is taken for a quarter of an hour old.
      expect(await room.holdOf(orderId)).toBe('acknowledged');
      await room.app.dataSource.query('UPDATE vendors SET feed_max_age_ms = 0');
      await room.app.sync('acme');
      expect(await room.holdOf(orderId)).toBe('settled');
    });

    it('settles none that the vendor accepted after the listing, though both are of before the decision', async () => {
      const orderId = await room.place('S0', 1);
      room.stock.lists(at(7200), skus(100, 5));
      await room.app.sync('acme');
      room.vendor.accepts(at(7201));
      await room.dispatchAll();
      await decision().accept('acme', await held(), DECIDED);
      // The file that was held is served still.
      await room.app.sync('acme');
      expect(await room.holdOf(orderId)).toBe('acknowledged');
      expect(await room.product('S0')).toMatchObject({ vendor: 5, reserved: 1, stock: 4 });
      room.stock.lists(at(7202), skus(100, 4));
      await room.app.sync('acme');
      expect(await room.holdOf(orderId)).toBe('settled');
    });
  });
});
