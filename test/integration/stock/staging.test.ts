import { Logger } from '@nestjs/common';
import { Applying } from '../../../src/stock/sync/applying';
import { openStockRoom, skus, type StockRoom } from '../../support/stock-room';
import { rowOf } from '../../support/scripted-stock';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

/** More than are copied at once, and more than are looked at in one statement. */
const MANY = 24_000;

describe('a listing on its way', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
  });

  afterEach(() => room.close());

  const sql = (statement: string) => room.app.dataSource.query(statement);

  it('is applied whole over all its windows, and neither writes nor locks a product when it comes again', async () => {
    room.stock.lists(at(-60), skus(MANY, 5));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', seen: MANY, changed: MANY });
    const sum = `SELECT count(*)::integer AS n, sum(vendor_quantity)::integer AS sum, max(xmin::text::bigint) AS xmin,
                        max(xmax::text::bigint) AS xmax
                 FROM products`;
    const [before] = await sql(sum);
    expect(before).toMatchObject({ n: MANY, sum: 5 * MANY });
    room.stock.lists(at(-50), skus(MANY, 5));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', changed: 0, unchanged: MANY });
    expect(await sql(sum)).toEqual([before]);
  });

  it('counts a SKU that comes twice with its later row, however far apart', async () => {
    const filling = Object.keys(skus(MANY, 1)).map((sku) => rowOf(sku, 1));
    room.stock.listsPages(at(-60), [[rowOf('TWICE', 1), rowOf('THRICE', 1)], filling, [rowOf('THRICE', 2)]], {
      before: () => Promise.resolve(),
    });
    await room.app.sync('acme');
    room.stock.listsPages(at(-50), [
      [rowOf('TWICE', 7), rowOf('THRICE', 9)],
      filling,
      [rowOf('THRICE', 8), rowOf('TWICE', 6), rowOf('THRICE', 7)],
    ]);
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', seen: MANY + 5 });
    expect(await room.product('TWICE')).toMatchObject({ vendor: 6 });
    expect(await room.product('THRICE')).toMatchObject({ vendor: 7 });
  });

  it('settles nothing that was placed after it was asked for, whatever the vendor’s clock says', async () => {
    room.stock.lists(at(-60), skus(2, 5));
    await room.app.sync('acme');
    room.vendor.accepts(at(-45));
    let orderId = '';
    const placed = async () => {
      orderId = await room.place('S0', 1);
      await room.dispatchAll();
    };
    room.stock.lists(at(-40), skus(2, 4), { before: placed });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', changed: 2 });
    expect(await room.holdOf(orderId)).toBe('acknowledged');
    room.stock.lists(at(-30), skus(2, 4));
    await room.app.sync('acme');
    expect(await room.holdOf(orderId)).toBe('settled');
  });

  const dueIn = async () =>
    (await sql('SELECT extract(epoch FROM sync_due_at - now())::float8 AS s FROM vendors'))[0].s;

  it('is not followed at once by another because our own clock was set back since its vendor was registered', async () => {
    room.stock.lists(at(-60), skus(2, 5));
    await sql(`UPDATE vendors SET updated_at = now() + interval '1 hour'`);
    await room.app.sync('acme');
    expect(await dueIn()).toBeGreaterThan(1);
  });

  it('is followed at once by another where its vendor was registered anew meanwhile', async () => {
    room.stock.lists(at(-60), skus(2, 5));
    await room.app.sync('acme');
    expect(await dueIn()).toBeGreaterThan(1);
    const again = () => room.app.register({ vendorId: 'acme', baseUrl: room.vendor.baseUrl, name: 'Anew' });
    room.stock.lists(at(-50), skus(2, 5), { before: again });
    await room.app.sync('acme');
    expect(await dueIn()).toBeLessThanOrEqual(0);
  });

  describe('of which a crash of the database has dropped rows', () => {
    /** As a crash does with an unlogged table, once there is something in it. */
    async function crash(): Promise<void> {
      const [table] = (await sql(
        `SELECT relname FROM pg_class WHERE relname LIKE 'stock\\_staging\\_%' AND relkind = 'r'`,
      )) as { relname: string }[];
      const hasRows = async (): Promise<boolean> => (await sql(`SELECT FROM ${table!.relname} LIMIT 1`)).length > 0;
      await waitFor(hasRows, { withinMs: 10_000, what: 'rows to be staged' });
      await sql(`TRUNCATE ${table!.relname}`);
    }

    const lost = { status: 'failed', error: expect.stringMatching(/^The database lost rows of the listing/) };

    beforeEach(async () => {
      room.stock.lists(at(-60), skus(MANY, 5));
      await room.app.sync('acme');
    });

    afterEach(async () => {
      const [{ listed }] = (await sql('SELECT count(*)::integer AS listed FROM products WHERE listed')) as [
        { listed: number },
      ];
      expect(listed).toBe(MANY);
    });

    it('fails, while it is on its way', async () => {
      const names = Object.keys(skus(MANY, 4));
      const pages = [names.slice(0, MANY - 10), names.slice(MANY - 10)];
      room.stock.listsPages(
        at(-50),
        pages.map((page) => page.map((sku) => rowOf(sku, 4))),
        { before: crash },
      );
      expect(await room.app.sync('acme')).toMatchObject(lost);
    });

    it('fails before it takes anything off sale', async () => {
      const applying = room.app.context.get(Applying);
      const applyNumbers = applying.applyNumbers.bind(applying);
      jest.spyOn(applying, 'applyNumbers').mockImplementation(async (...args) => {
        const written = await applyNumbers(...args);
        await crash();
        return written;
      });
      room.stock.lists(at(-50), skus(MANY, 4));
      expect(await room.app.sync('acme')).toMatchObject(lost);
    });
  });

  it('may use any printable character', async () => {
    const odd = ['a\\b', '\\N', '\\.', '"q"', "it's", 'Größe 42', '漢', '😀', 'a%b_c', 'tail\\'];
    room.stock.lists(at(-60), Object.fromEntries(odd.map((sku) => [sku, 3])));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', changed: odd.length, rejected: 0 });
    for (const sku of odd) expect(await room.product(sku)).toMatchObject({ vendor: 3 });
    const names = (await sql('SELECT name, sku FROM products')) as { name: string; sku: string }[];
    expect(names.filter(({ name, sku }) => name !== `Article ${sku}`)).toEqual([]);
  });

  it('leaves a partition whose statistics know how large it has become', async () => {
    room.stock.lists(at(-60), skus(500, 5));
    await room.app.sync('acme');
    const known = `SELECT c.reltuples::integer AS n FROM pg_class c
                   WHERE c.oid = (SELECT tableoid FROM products LIMIT 1)`;
    expect(await sql(known)).toEqual([{ n: 500 }]);
    room.stock.lists(at(-50), skus(590, 6));
    await room.app.sync('acme');
    expect(await sql(known)).toEqual([{ n: 500 }]);
    room.stock.lists(at(-40), skus(710, 6));
    await room.app.sync('acme');
    expect(await sql(known)).toEqual([{ n: 710 }]);
  });

  it('shows how far it has come', async () => {
    let seen: unknown;
    const pages = Array.from({ length: 3 }, (_, page) => [rowOf(`A${page}`, 1), rowOf(`B${page}`, 1)]);
    // A second goes by each time somebody looks.
    const now = performance.now.bind(performance);
    let passedMs = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now() + (passedMs += 1000));
    room.stock.listsPages(at(-60), pages, {
      rowsExpected: 6,
      before: async () => {
        [seen] = await sql(`SELECT status, kind, seen, rows_expected FROM stock_sync_runs`);
      },
    });
    await room.app.sync('acme');
    expect(seen).toMatchObject({ status: 'running', kind: 'full', rows_expected: 6 });
    expect((seen as { seen: number }).seen).toBeGreaterThanOrEqual(2);
  });

  it('tells when stock falls to zero beyond what we sold', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    room.stock.lists(at(-60), { SOLD: 4, GONE: 5, LOW: 5 });
    await room.app.sync('acme');
    await room.place('SOLD', 4);
    room.vendor.accepts(at(-50));
    await room.dispatchAll();
    room.stock.lists(at(-40), { SOLD: 0, GONE: 0, LOW: 1 });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', changed: 3 });
    expect(await room.product('GONE')).toMatchObject({ vendor: 0, listed: true, stock: 0 });
    const told = warn.mock.calls.filter(([, sentence]) => /fell to zero/.test(String(sentence)));
    expect(told).toEqual([[expect.objectContaining({ products: 1, examples: ['acme:GONE'] }), expect.anything()]]);
  });

  it('settles the holds of products that left earlier', async () => {
    room.stock.lists(at(-60), { A: 5, B: 5 });
    await room.app.sync('acme');
    const orderId = await room.place('B', 2);
    room.stock.lists(at(-50), { A: 5 });
    await room.app.sync('acme');
    room.vendor.accepts(at(-45));
    await room.dispatchAll();
    expect(await room.holdOf(orderId)).toBe('acknowledged');
    room.stock.lists(at(-40), { A: 5 });
    await room.app.sync('acme');
    expect(await room.holdOf(orderId)).toBe('settled');
    expect(await room.product('B')).toMatchObject({ reserved: 0, listed: false });
  });
});
