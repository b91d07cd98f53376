import { Counter, rowsOf } from './counter';
import { inventoryRow, type Product, PRODUCTS, wholesale } from './dialects';
import type { Answer } from './scripted-server';
import { vendorContract } from './vendor-contract';

const AS_OF = '2026-01-01T00:00:01.000Z';
const LATER = '2026-01-01T00:00:02.000Z';
const MORE = [...PRODUCTS, { sku: 'A-4', name: 'Article 4', quantity: 1, price: '1.00' }];

describe('the wholesale adapter', () => vendorContract(wholesale));

describe('the wholesale adapter, by the ways of its dialect,', () => {
  let counter: Counter;
  beforeEach(async () => {
    counter = await Counter.open(wholesale);
  });
  afterEach(() => counter.close());

  it('says how many rows there will be, and goes on from the first page’s sequence', async () => {
    counter.server.answer = wholesale.lists(PRODUCTS, AS_OF);
    const listing = await counter.listing();
    await rowsOf(listing);
    expect([listing.rowsExpected, listing.marks()]).toEqual([3, { position: '41', etag: null }]);
    expect(counter.server.paths).toEqual([
      'GET /inventory?page=1&page_size=1000',
      'GET /inventory?page=2&page_size=1000',
    ]);
  });

  it.each([
    [0, '0.00'],
    [5, '0.05'],
    [99, '0.99'],
    [100, '1.00'],
    [1999, '19.99'],
    [999_999_999_999, '9999999999.99'],
    [19.5, undefined],
    [-1, undefined],
    ['1999', undefined],
    [null, undefined],
  ])('makes of %j cents %j', async (cents, price) => {
    const items = [{ ...inventoryRow(PRODUCTS[0]!), price_cents: cents }];
    const body = { as_of: AS_OF, sequence: 1, page: 1, total_pages: 1, total_items: 1, items };
    counter.server.first({ status: 200, body });
    expect(await counter.rows()).toMatchObject([{ sku: 'A-1', price }]);
  });

  it('reads again from the start when the number of items changes between pages', async () => {
    counter.server.first(wholesale.lists(PRODUCTS, AS_OF)(page(1)));
    counter.server.answer = wholesale.lists(MORE, LATER);
    const listing = await counter.listing();
    const rows = await rowsOf(listing);
    expect(rows.slice(2)).toEqual(MORE);
    // What the first reading gave is no older than this.
    expect(listing.asOf).toEqual(new Date(AS_OF));
    expect(counter.server.asked.map(({ query }) => query.get('page'))).toEqual(['1', '2', '1', '2']);
  });

  it('breaks a listing off whose later page is older: of a replica that lags behind', async () => {
    counter.server.first(wholesale.lists(PRODUCTS, LATER)(page(1)));
    counter.server.answer = wholesale.lists(PRODUCTS, AS_OF);
    await expect(counter.rows()).rejects.toThrow('stock: as_of goes back between pages');
  });

  it('gives up a catalogue that never stands still', async () => {
    let count = 0;
    counter.server.answer = (asked) => wholesale.lists(++count % 2 ? PRODUCTS : MORE, AS_OF)(asked);
    await expect(counter.rows()).rejects.toThrow('stock: total_items changed between pages in each of 3 readings');
    expect(counter.server.asked).toHaveLength(6);
  });

  it.each<[string, object, string]>([
    ['fewer rows than items', { total_items: 3 }, 'lists 2 items, and total_items is 3'],
    [
      'more rows than items, before its last page',
      { total_items: 1, total_pages: 5 },
      'lists 2 items, and total_items is 1',
    ],
    ['another page than was asked for', { page: 2 }, 'page 1 was asked for and another came'],
    ['no count', { total_pages: '1' }, 'total_pages or total_items is not a whole number'],
    [
      'beyond counting',
      { total_items: 3_000_000_000 },
      'total_pages or total_items is not a whole number, or total_items beyond 20000000',
    ],
    ['no sequence', { sequence: null }, 'sequence is not a whole number'],
    ['no list', { items: null }, 'items is not a list'],
    ['too many pages', { total_pages: 20_001 }, 'more than 20000 pages'],
  ])('breaks a listing off with %s', async (_, wrong, message) => {
    const items = PRODUCTS.slice(0, 2).map(inventoryRow);
    const body = { as_of: AS_OF, sequence: 1, page: 1, total_pages: 1, total_items: 2, items, ...wrong };
    counter.server.answer = () => ({ status: 200, body });
    await expect(counter.rows()).rejects.toThrow(`stock: ${message}`);
  });

  it('believes no confirmation of another purchase order', async () => {
    counter.server.answer = () => ({ status: 200, body: { ...wholesale.lookUps.accepted, po_number: 'order-2' } });
    expect((await counter.adapter.lookUp(counter.vendor, 'order-1')).outcome).toBe('unknown');
    const order = { reference: 'order-1', sku: 'A-1', quantity: 2 };
    expect((await counter.adapter.purchase(counter.vendor, order)).outcome).toBe('unknown');
  });

  describe('asked for changes', () => {
    const since = { kind: 'delta' as const, marks: { position: '40', etag: null } };

    it('reads them page by page from its position, and goes on from the last page’s sequence', async () => {
      counter.server.first(changes(PRODUCTS.slice(0, 2), 42, true), changes(PRODUCTS.slice(2), 43, false, LATER));
      const listing = await counter.listing(since);
      expect(listing).toMatchObject({ kind: 'delta', asOf: new Date(AS_OF), rowsExpected: null });
      expect(await rowsOf(listing)).toEqual(PRODUCTS);
      expect(listing.marks()).toEqual({ position: '43', etag: null });
      expect(counter.server.paths).toEqual([
        'GET /inventory/changes?after=40&limit=1000',
        'GET /inventory/changes?after=42&limit=1000',
      ]);
    });

    it('breaks them off where a later page is older', async () => {
      counter.server.first(changes(PRODUCTS.slice(0, 2), 42, true, LATER), changes(PRODUCTS.slice(2), 43, false));
      await expect(counter.rows(since)).rejects.toThrow('stock: as_of goes back between pages');
    });

    it('finds nothing changed', async () => {
      counter.server.first(changes([], 40, false));
      const listing = await counter.listing(since);
      expect([listing.kind, await rowsOf(listing), listing.marks().position]).toEqual(['delta', [], '40']);
    });

    it.each<[string, Answer]>([
      ['no longer knows them', { status: 410, body: { error: 'sequence_too_old' } }],
      ['counts from a lower number', changes([], 3, false)],
    ])('reads the whole inventory when the vendor %s', async (_, answer) => {
      counter.server.first(answer);
      counter.server.answer = wholesale.lists(PRODUCTS, LATER);
      const listing = await counter.listing(since);
      expect([listing.kind, await rowsOf(listing)]).toEqual(['full', PRODUCTS]);
    });

    it('breaks them off when the sequence does not go on', async () => {
      counter.server.answer = () => changes(PRODUCTS, 42, true);
      await expect(counter.rows(since)).rejects.toThrow('stock: sequence does not go on');
    });
  });
});

function changes(products: Product[], sequence: number, hasMore: boolean, asOf = AS_OF): Answer {
  return { status: 200, body: { as_of: asOf, sequence, has_more: hasMore, items: products.map(inventoryRow) } };
}

function page(number: number) {
  const query = new URLSearchParams({ page: String(number) });
  return { method: 'GET', path: '/inventory', query, headers: {}, body: undefined };
}
