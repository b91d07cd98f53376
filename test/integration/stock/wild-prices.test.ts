import { Decision } from '../../../src/stock/sync/decision';
import { SyncRunQueries } from '../../../src/stock/sync/sync-run-queries';
import type { ListedRow } from '../../../src/vendors/vendor-adapter';
import { openStockRoom, type StockRoom } from '../../support/stock-room';
import { rowOf } from '../../support/scripted-stock';
import { at } from '../../support/time';

const DECIDED = { note: 'By telephone.', by: 'test' };
const PRODUCTS = 200;
/** More than a tenth of the products, and more than 20. */
const WAVE = 30;

interface Prices {
  quantity?: number;
  /** Of the first ones. */
  price?: string;
  first?: number;
}

function listingOf({ quantity = 5, price = '10.00', first = WAVE }: Prices, count = PRODUCTS): ListedRow[] {
  return Array.from({ length: count }, (_, index) => {
    const row = rowOf(`S${String(index).padStart(3, '0')}`, quantity);
    return index < first ? { ...row, price } : row;
  });
}

describe('a listing whose prices move wildly', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    await sync(-60, {});
  });

  afterEach(() => room.close());

  const sync = (seconds: number, prices: Prices, options: Parameters<StockRoom['stock']['listsPages']>[2] = {}) => {
    room.stock.listsPages(at(seconds), [listingOf(prices)], options);
    return room.app.sync('acme');
  };
  const sql = (statement: string) => room.app.dataSource.query(statement);
  const runs = async () =>
    (await room.app.context.get(SyncRunQueries).list('acme', { limit: 50 })).map(({ run }) => run);
  const heldRun = async () => (await runs()).find(({ status }) => status === 'held')!;
  const accept = (syncRunId: string) => room.app.context.get(Decision).accept('acme', syncRunId, DECIDED);
  const prices = async (): Promise<string[]> => {
    const found = (await sql('SELECT price FROM products ORDER BY product_id')) as { price: string }[];
    return found.map(({ price }) => price);
  };
  const pricesAre = (first: string, others = '10.00') =>
    Array.from({ length: PRODUCTS }, (_, index) => (index < WAVE ? first : others));
  const total = async (): Promise<number> =>
    (await sql('SELECT sum(vendor_quantity)::integer AS n FROM products'))[0].n;

  it.each(['0.00', '4.99', '0.10', '15.01', '1000.00'])(
    'is held for an operator, who sees what moves; its numbers are news (to %s)',
    async (price) => {
      expect(await sync(-50, { price, quantity: 7 })).toMatchObject({ status: 'held', heldFor: 'PRICES' });
      expect(await prices()).toEqual(pricesAre('10.00'));
      expect(await total()).toBe(7 * PRODUCTS);
      expect((await heldRun()).error).toBe(
        `PRICES: ${WAVE} of ${PRODUCTS} prices move by more than half, or to zero, such as ` +
          ['S000', 'S001', 'S002', 'S003', 'S004']
            .map((sku) => `${sku} (Article ${sku}) from 10.00 to ${price}`)
            .join(', '),
      );
    },
  );

  it.each<[string, Prices]>([
    ['by half, in all rows', { price: '5.00', first: PRODUCTS }],
    ['by half upwards', { price: '15.00', first: PRODUCTS }],
    ['to zero in a tenth of the rows', { price: '0.00', first: PRODUCTS / 10 }],
  ])('is applied where they move %s', async (_, moved) => {
    expect(await sync(-50, moved)).toMatchObject({ status: 'succeeded', changed: moved.first });
    expect((await prices())[0]).toBe(moved.price);
  });

  it('is applied from prices of zero, which are none', async () => {
    await sql('UPDATE products SET price = 0');
    expect(await sync(-50, {})).toMatchObject({ status: 'succeeded', changed: PRODUCTS });
  });

  it('is held, without what is new and costs nothing, where that is more than a tenth of it', async () => {
    room.stock.listsPages(at(-50), [
      [
        ...listingOf({}),
        ...Array.from({ length: 25 }, (_, n) => ({ ...rowOf(`NEW${n}`, 1), price: '0' })),
        rowOf('PAID', 1),
      ],
    ]);
    expect(await room.app.sync('acme')).toMatchObject({ status: 'held', heldFor: 'PRICES' });
    expect(await room.product('NEW0')).toBeUndefined();
    expect(await room.product('PAID')).toMatchObject({ vendor: 1 });
    const { syncRunId, error } = await heldRun();
    expect(error).toMatch(/such as NEW0 \(Article NEW0\) new at 0.00, /);
    expect(await accept(syncRunId)).toMatchObject({ status: 'succeeded', changed: 26 });
    expect(await room.product('NEW0')).toMatchObject({ vendor: 1 });
  });

  it('gives its products their prices once it is accepted, whatever has been sold and listed since', async () => {
    await sync(-50, { price: '1.00', quantity: 7 });
    const { syncRunId } = await heldRun();
    for (const seconds of [-40, -30])
      expect(await sync(seconds, { price: '1.00', quantity: 100 + seconds })).toMatchObject({ status: 'superseded' });
    expect((await heldRun()).syncRunId).toBe(syncRunId);
    expect(await accept(syncRunId)).toMatchObject({ status: 'succeeded' });
    expect(await prices()).toEqual(pricesAre('1.00'));
    expect(await total()).toBe(70 * PRODUCTS);
    expect(await sync(-20, { price: '1.00', quantity: 70 })).toMatchObject({ status: 'succeeded', changed: 0 });
  });

  it('keeps the old ones once it is rejected, and is held again while the vendor lists them', async () => {
    await sync(-50, { price: '1.00' });
    const { syncRunId } = await heldRun();
    await room.app.context.get(Decision).reject('acme', syncRunId, DECIDED);
    expect(await prices()).toEqual(pricesAre('10.00'));
    expect(await sync(-40, { price: '1.00' })).toMatchObject({ status: 'held' });
    expect((await heldRun()).syncRunId).not.toBe(syncRunId);
  });

  it('is superseded by the next one whose prices are as before', async () => {
    await sync(-50, { price: '1.00' });
    const { syncRunId } = await heldRun();
    expect(await sync(-40, {})).toMatchObject({ status: 'succeeded' });
    await expect(accept(syncRunId)).rejects.toMatchObject({ code: 'SYNC_SUPERSEDED' });
    expect(await prices()).toEqual(pricesAre('10.00'));
  });

  it('gives way to one whose prices move to something else', async () => {
    await sync(-50, { price: '1.00' });
    const { syncRunId } = await heldRun();
    expect(await sync(-40, { price: '2.00' })).toMatchObject({ status: 'held' });
    await expect(accept(syncRunId)).rejects.toMatchObject({ code: 'SYNC_SUPERSEDED' });
    await accept((await heldRun()).syncRunId);
    expect(await prices()).toEqual(pricesAre('2.00'));
  });

  it('says so beside what it lacks, and both wait for one decision', async () => {
    room.stock.listsPages(at(-50), [listingOf({ price: '1.00' }, 150)]);
    expect(await room.app.sync('acme')).toMatchObject({ status: 'held', heldFor: 'TRUNCATED' });
    const { syncRunId, error } = await heldRun();
    expect(error).toMatch(/^TRUNCATED: the listing lacks 50 of 200 .*; PRICES: 30 of 150 prices move/);
    await accept(syncRunId);
    expect((await prices()).slice(0, WAVE)).toEqual(pricesAre('1.00').slice(0, WAVE));
    expect((await sql('SELECT count(*)::integer AS n FROM products WHERE listed'))[0].n).toBe(150);
  });

  describe('and a delta', () => {
    const delta = (seconds: number, rows: ListedRow[]) => {
      room.stock.listsPages(at(seconds), [rows], { kind: 'delta' });
      return room.app.sync('acme');
    };

    it('is held like it, and repeats a complete one that waits', async () => {
      expect(await delta(-50, listingOf({ price: '1.00' }, 40))).toMatchObject({ status: 'held', kind: 'delta' });
      await accept((await heldRun()).syncRunId);
      expect(await prices()).toEqual(pricesAre('1.00'));
      await sync(-40, { price: '9.00' });
      const { syncRunId } = await heldRun();
      expect(await delta(-30, listingOf({ price: '9.00' }, 25))).toMatchObject({ status: 'superseded' });
      expect((await heldRun()).syncRunId).toBe(syncRunId);
    });

    it('is news of its products: what waited for them is not applied any more', async () => {
      await sync(-50, { price: '1.00' });
      const { syncRunId } = await heldRun();
      expect(
        await delta(-40, [
          { ...rowOf('S000', 5), price: '10.00' },
          { ...rowOf('S001', 5), price: '12.00' },
        ]),
      ).toMatchObject({ status: 'succeeded' });
      await accept(syncRunId);
      expect((await prices()).slice(0, 3)).toEqual(['10.00', '12.00', '1.00']);
    });
  });

  it('takes nothing from what an order of the meantime has reserved, and is sold at the old price', async () => {
    await sync(-50, { price: '0.01' });
    await room.place('S000', 2);
    expect(await sql('SELECT unit_price, quantity FROM orders')).toEqual([{ unit_price: '10.00', quantity: 2 }]);
    await accept((await heldRun()).syncRunId);
    expect(await room.product('S000')).toMatchObject({ vendor: 5, reserved: 2, stock: 3 });
  });

  it('waits again, with what the operator said, where the process that applied it has died', async () => {
    await sync(-50, { price: '1.00' });
    const { syncRunId } = await heldRun();
    await sql(
      `UPDATE stock_sync_runs SET status = 'running', finished_at = NULL, note = 'By telephone.', decided_by = 'test' WHERE status = 'held'`,
    );
    expect(await sync(-40, { price: '1.00' })).toMatchObject({ status: 'superseded' });
    expect(await heldRun()).toMatchObject({ syncRunId, note: 'By telephone.' });
    expect(await accept(syncRunId)).toMatchObject({ status: 'succeeded', changed: expect.any(Number) });
  });
});
