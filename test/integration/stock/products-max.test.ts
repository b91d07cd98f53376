import { Decision } from '../../../src/stock/sync/decision';
import { SyncRunQueries } from '../../../src/stock/sync/sync-run-queries';
import { openStockRoom, skus, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';

const DECIDED = { note: 'By telephone.', by: 'test' };

describe('a vendor that may have 10 products', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    await room.app.register({ vendorId: 'acme', baseUrl: room.vendor.baseUrl, productsMax: 10 });
    room.stock.lists(at(-60), skus(8, 5));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', changed: 8 });
  });

  afterEach(() => room.close());

  const lists = (seconds: number, quantities: Record<string, number>) => {
    room.stock.lists(at(seconds), quantities);
    return room.app.sync('acme');
  };
  const stored = async (): Promise<number> =>
    (await room.app.dataSource.query('SELECT count(*)::integer AS n FROM products'))[0].n;
  const heldRun = async (): Promise<string> => {
    const found = await room.app.context.get(SyncRunQueries).list('acme', { status: 'held', limit: 2 });
    expect(found).toHaveLength(1);
    return found[0]!.run.syncRunId;
  };
  const named = (prefix: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`${prefix}${n}`, 1]));

  it('may have so many', async () => {
    expect(await lists(-50, skus(10, 5))).toMatchObject({ status: 'succeeded', changed: 2 });
  });

  it('gets none of the new SKUs of a listing that would bring it beyond, and the numbers of those it has', async () => {
    expect(await lists(-50, skus(11, 7))).toMatchObject({
      status: 'held',
      heldFor: 'LIMIT',
      error: 'LIMIT: with 3 new SKUs the vendor would have 11 products, of 10 at most',
    });
    expect(await stored()).toBe(8);
    expect(await room.product('S0')).toMatchObject({ vendor: 7 });
  });

  it('does not grow by other SKUs at each poll, and one run waits for all of them', async () => {
    for (let poll = 0; poll < 4; poll++) await lists(-50 + poll, { ...skus(8, 5), ...named(`RANDOM${poll}-`, 5) });
    expect(await stored()).toBe(8);
    await heldRun();
  });

  it('counts those that left its listing, for they are kept', async () => {
    for (const seconds of [-50, -45]) await lists(seconds, named(`AT${-seconds}-`, 1));
    expect(await stored()).toBe(10);
    expect(await lists(-40, named('NEXT', 1))).toMatchObject({ status: 'held', heldFor: 'LIMIT' });
  });

  it('gets them once it may have more, and the run that waits is superseded', async () => {
    await lists(-50, skus(11, 5));
    const syncRunId = await heldRun();
    await room.app.register({ vendorId: 'acme', baseUrl: room.vendor.baseUrl, productsMax: 11 });
    expect(await lists(-40, skus(11, 5))).toMatchObject({ status: 'succeeded', changed: 3 });
    await expect(room.app.context.get(Decision).accept('acme', syncRunId, DECIDED)).rejects.toMatchObject({
      code: 'SYNC_SUPERSEDED',
    });
  });

  it('gets them once an operator accepts them, and no others', async () => {
    await lists(-50, skus(11, 5));
    expect(await room.app.context.get(Decision).accept('acme', await heldRun(), DECIDED)).toMatchObject({ changed: 3 });
    expect(await stored()).toBe(11);
    expect(await lists(-40, skus(11, 6))).toMatchObject({ status: 'succeeded' });
    expect(await lists(-30, skus(12, 6))).toMatchObject({ status: 'held', heldFor: 'LIMIT' });
    expect(await stored()).toBe(11);
  });
});
