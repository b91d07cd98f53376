import { Decision } from '../../../src/stock/sync/decision';
import { SyncLeaseRepository } from '../../../src/stock/sync/sync-lease.repository';
import { openStockRoom, skus, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';

const MARKS = { position: null, etag: '"first"' };

describe('a vendor that says that nothing has changed', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    room.stock.lists(at(-60), { A: 10 }, { marks: MARKS });
    await room.app.sync('acme');
  });

  afterEach(() => room.close());

  const sql = (statement: string) => room.app.dataSource.query(statement);

  it('confirms the picture, and writes no product', async () => {
    await sql(`UPDATE vendors SET synced_at = now() - interval '1 hour', full_synced_at = now() - interval '1 hour'`);
    const before = await room.product('A');
    room.stock.unchanged();
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', kind: 'full', seen: 0, error: null });
    expect(room.stock.lastAsked).toEqual({ kind: 'full', marks: MARKS });
    const [{ fresh }] = await sql(
      `SELECT LEAST(synced_at, full_synced_at) > now() - interval '1 minute' AS fresh FROM vendors`,
    );
    expect(fresh).toBe(true);
    expect(await room.product('A')).toEqual(before);
  });

  it('settles nothing: what it listed before was before', async () => {
    const orderId = await room.place('A', 4);
    room.vendor.accepts(at(-50));
    await room.dispatchAll();
    room.stock.unchanged();
    await room.app.sync('acme');
    expect(await room.holdOf(orderId)).toBe('acknowledged');
    expect(await room.product('A')).toMatchObject({ reserved: 4, stock: 6 });
  });

  it('is not asked whether, once an acknowledged hold is older than two intervals', async () => {
    await room.place('A', 4);
    await sql(`UPDATE orders SET created_at = now() - interval '1 hour'`);
    await room.app.sync('acme');
    expect(room.stock.lastAsked.marks.etag).toBe('"first"');
    room.vendor.accepts(at(-50));
    await room.dispatchAll();
    await sql(`UPDATE orders SET acknowledged_at = now() - interval '119 seconds'`);
    await room.app.sync('acme');
    expect(room.stock.lastAsked.marks.etag).toBe('"first"');
    await sql(`UPDATE orders SET acknowledged_at = now() - interval '121 seconds'`);
    await room.app.sync('acme');
    expect(room.stock.lastAsked.marks.etag).toBeNull();
  });

  it('is not believed when it was not asked', async () => {
    await sql('UPDATE vendors SET sync_etag = NULL');
    room.stock.unchanged();
    expect(await room.app.sync('acme')).toMatchObject({ status: 'failed', error: expect.stringMatching(/304/) });
  });

  it('is not asked whether after a run that is held, so that it is judged again', async () => {
    room.stock.lists(at(-50), skus(100, 5), { marks: MARKS });
    await room.app.sync('acme');
    room.stock.lists(at(-40), {}, { marks: { position: null, etag: '"empty"' } });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'held' });
    expect(await room.acme()).toMatchObject({ sync_etag: '"first"' });
    room.stock.lists(at(-30), skus(100, 5), { marks: { position: null, etag: '"third"' } });
    await room.app.sync('acme');
    expect(room.stock.lastAsked.marks.etag).toBeNull();
    await room.app.sync('acme');
    expect(room.stock.lastAsked.marks.etag).toBe('"third"');
  });

  it.each([
    ['broke off after it had written', breakOff, 'failed'],
    ['was held with its numbers written, and rejected', reject, 'held'],
  ])('is not asked whether after a run that %s', async (_, spoil, status) => {
    room.stock.lists(at(-50), skus(100, 5), { marks: MARKS });
    await room.app.sync('acme');
    expect(await spoil()).toMatchObject({ status });
    expect(await room.product('S0')).toMatchObject({ vendor: 7 });
    room.stock.lists(at(-30), skus(100, 5), { marks: MARKS });
    await room.app.sync('acme');
    expect(room.stock.lastAsked.marks.etag).toBeNull();
    expect(await room.product('S0')).toMatchObject({ vendor: 5 });
  });

  function breakOff() {
    const leases = room.app.context.get(SyncLeaseRepository);
    jest.spyOn(leases, 'complete').mockRejectedValueOnce(new Error('The worker is gone.'));
    room.stock.lists(at(-40), skus(100, 7));
    return room.app.sync('acme');
  }

  async function reject() {
    room.stock.lists(at(-40), skus(60, 7));
    const result = await room.app.sync('acme');
    const [{ sync_run_id: syncRunId }] = await sql(`SELECT sync_run_id FROM stock_sync_runs WHERE status = 'held'`);
    await room.app.context.get(Decision).reject('acme', syncRunId, { note: 'Rubbish.', by: 'test' });
    return result;
  }
});

describe('a vendor that gives no time', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
  });

  afterEach(() => room.close());

  const acknowledge = async (): Promise<string> => {
    const orderId = await room.place('A', 4);
    room.vendor.accepts(at(-3600));
    await room.dispatchAll();
    return orderId;
  };
  const settledAfter = async (age: string, orderId: string): Promise<string> => {
    await room.app.dataSource.query(`UPDATE orders SET acknowledged_at = now() - $1::interval`, [age]);
    await room.app.sync('acme');
    return room.holdOf(orderId);
  };

  it('settles a hold only by a listing asked for later than we knew of it and a listing may be old', async () => {
    await room.app.register({ vendorId: 'acme', baseUrl: room.vendor.baseUrl, feedMaxAgeMs: 60_000 });
    room.stock.lists(null, { A: 10 });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', asOf: null });
    const orderId = await acknowledge();
    room.stock.lists(null, { A: 6 });
    expect(await settledAfter('59 seconds', orderId)).toBe('acknowledged');
    expect(await room.product('A')).toMatchObject({ vendor: 6, reserved: 4, stock: 2 });
    expect(await settledAfter('61 seconds', orderId)).toBe('settled');
    expect(await room.product('A')).toMatchObject({ vendor: 6, reserved: 0, stock: 6 });
  });

  it('settles nothing by itself where it is not known how old a listing may be', async () => {
    room.stock.lists(null, { A: 10 });
    await room.app.sync('acme');
    expect(await settledAfter('1 year', await acknowledge())).toBe('acknowledged');
  });

  it('settles no late acceptance, however early the vendor says it was', async () => {
    room.stock.lists(at(-60), { A: 10 });
    await room.app.sync('acme');
    room.stock.lists(null, { A: 9 });
    await room.app.sync('acme');
    expect(await room.product('A')).toMatchObject({ vendor: 9 });
    expect(await room.holdOf(await acknowledge())).toBe('acknowledged');
  });

  it('counts in the order of its polls, and goes over to times when it gives them', async () => {
    room.stock.lists(null, { A: 10 });
    await room.app.sync('acme');
    room.stock.lists(null, { A: 11 });
    await room.app.sync('acme');
    expect(await room.product('A')).toMatchObject({ vendor: 11 });
    room.stock.lists(at(-86_400), { A: 12 });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded' });
    expect(await room.product('A')).toMatchObject({ vendor: 12 });
  });
});
