import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Books } from '../../../src/simulator/books';
import { Shop } from '../../../src/simulator/shop';
import { Stockroom } from '../../../src/simulator/stockroom';
import { type Item, items, type Reply, type Row, SimulatedShop } from './simulated-shop';

interface Listing {
  asOf: string;
  items: Item[];
}

async function wholeListing(shop: SimulatedShop, limit: number, between: () => Promise<unknown>): Promise<Listing> {
  const pages: Reply[] = [await shop.stock(`?limit=${limit}`)];
  for (let cursor = pages[0]?.body.nextCursor; cursor; cursor = pages.at(-1)?.body.nextCursor) {
    await between();
    pages.push(await shop.stock(`?limit=${limit}&cursor=${cursor}`));
  }
  expect(new Set(pages.map(({ body }) => body.asOf)).size).toBe(1);
  return { asOf: pages[0]?.body.asOf, items: pages.flatMap(({ body }) => body.items) };
}

/** The SKUs whose listed quantity lacks an order that was accepted before `asOf`. */
function lackingOrders(listing: Listing, rows: Row[], quantityAtStart: number): string[] {
  return listing.items
    .filter(({ sku, quantity }) => {
      const older = rows.filter((row) => row.sku === sku && row.acceptedAt !== null && row.acceptedAt < listing.asOf);
      const sold = older.reduce((sum, row) => sum + row.quantity, 0);
      return quantity > quantityAtStart - sold;
    })
    .map(({ sku }) => sku);
}

describe('the stock listing of a simulated vendor', () => {
  let shop: SimulatedShop;

  beforeEach(async () => {
    shop = await SimulatedShop.open({ catalogue: items(25) });
  });
  afterEach(() => shop.close());

  it('shows every product once, page by page', async () => {
    const listing = await wholeListing(shop, 10, async () => undefined);

    expect(listing.items).toEqual(items(25));
    expect(listing.asOf).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('ends with a page that is exactly full', async () => {
    expect((await shop.stock('?limit=25')).body.nextCursor).toBeNull();
  });

  it('keeps asOf over all pages and may show newer quantities on the later ones', async () => {
    let number = 0;
    const listing = await wholeListing(shop, 10, () => shop.order(`order-${number++}`, 'SKU-0024'));

    expect(listing.items.at(-1)?.quantity).toBe(48);
    const [first] = await shop.ledger();
    expect(((first as Row).acceptedAt as string) >= listing.asOf).toBe(true);
  });

  it('contains every order that was accepted before asOf, whatever is bought meanwhile', async () => {
    let number = 0;
    let buying = true;
    const buyers = Array.from({ length: 8 }, async () => {
      while (buying) {
        const index = number++;
        await shop.order(`order-${index}`, `SKU-${String(index % 25).padStart(4, '0')}`);
      }
    });
    const listings: Listing[] = [];
    for (let round = 0; round < 20; round++) listings.push(await wholeListing(shop, 4, async () => undefined));
    buying = false;
    await Promise.all(buyers);

    const rows = await shop.ledger();
    expect(listings.flatMap((listing) => lackingOrders(listing, rows, 50))).toEqual([]);
    // The check can find something: one piece too many on the last listing, and it complains.
    const planted = structuredClone(listings.at(-1) as Listing);
    for (const item of planted.items) item.quantity = 50;
    expect(lackingOrders(planted, rows, 50)).not.toEqual([]);
  });

  it('goes on after a product that has left the listing between two pages', async () => {
    const listing = await wholeListing(shop, 10, () => shop.request('DELETE', '/_stock/SKU-0009'));

    expect(listing.items).toHaveLength(25);
    expect((await shop.stock()).body.items).toHaveLength(24);
  });

  it.each([
    ['?since=2026-01-01T00:00:00.000Z', 'UNSUPPORTED_PARAMETER', 'since'],
    ['?updatedSince=yesterday', 'BAD_REQUEST', 'updatedSince'],
    ['?updatedSince=', 'BAD_REQUEST', 'updatedSince'],
    ['?limit=0', 'BAD_REQUEST', 'limit'],
    ['?limit=1001', 'BAD_REQUEST', 'limit'],
    ['?limit=1&limit=2', 'BAD_REQUEST', 'limit'],
    ['?cursor=rubbish', 'INVALID_CURSOR', 'cursor'],
    ['?cursor=', 'INVALID_CURSOR', 'cursor'],
  ])('answers 400 to %s', async (query, code, named) => {
    const reply = await shop.stock(query);

    expect([reply.status, reply.body.code]).toEqual([400, code]);
    expect(reply.body.message).toContain(named);
  });

  describe('that has not changed', () => {
    async function settledTag(): Promise<string> {
      for (;;) {
        const etag = (await shop.stock()).headers.get('etag');
        if (etag) return etag;
      }
    }

    it('is answered with 304 and no body', async () => {
      const etag = await settledTag();
      const reply = await shop.stock('', { 'if-none-match': `"other", ${etag}` });

      expect([reply.status, reply.body]).toEqual([304, '']);
      expect(reply.headers.get('etag')).toBe(etag);
    });

    it('is answered in full after an order, a cancellation, a correction, a restart, and for another page size', async () => {
      const changes = [
        () => shop.order('order-1', 'SKU-0000'),
        () => shop.request('DELETE', '/orders/order-1'),
        () => shop.request('PUT', '/_stock/SKU-0000', { price: '1.00' }),
        () => shop.request('DELETE', '/_stock/SKU-0000'),
        () => shop.stop().then(() => shop.start()),
      ];
      for (const change of changes) {
        const etag = await settledTag();
        await change();
        expect((await shop.stock('', { 'if-none-match': etag })).status).toBe(200);
      }
      expect((await shop.stock('?limit=7', { 'if-none-match': await settledTag() })).status).toBe(200);
    });

    it('stays unchanged when an order is refused', async () => {
      const etag = await settledTag();
      await shop.order('order-1', 'SKU-0000', 51);

      expect((await shop.stock('', { 'if-none-match': etag })).status).toBe(304);
    });

    it('gets no tag in the millisecond of a sale, because its asOf does not prove that the sale is contained', async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'shop-'));
      let nowMs = Date.parse('2026-01-01T00:00:00.000Z');
      const time = { wallMs: () => nowMs, steadyMs: () => 0 };
      const profile = { vendorId: 'still-shop', name: 'Still Shop', catalogue: items(1) };
      const books = await Books.open(profile, dataDir, { skewMs: () => 0, time, notice: () => undefined });
      const stockroom = new Stockroom(books);
      nowMs += 1;
      const sale = await new Shop(profile, books).place({ reference: 'order-1', sku: 'SKU-0000', quantity: 1 });

      const sameMs = await stockroom.beginListing('now', 'ascending');
      nowMs += 1;
      const nextMs = await stockroom.beginListing('now', 'ascending');

      expect(sale).toEqual(expect.objectContaining({ acceptedAt: new Date(sameMs.asOfMs).toISOString() }));
      expect(stockroom.unchangedMark(sameMs.asOfMs)).toBeUndefined();
      expect(stockroom.unchangedMark(nextMs.asOfMs)).toEqual(expect.any(String));
      await books.close();
      await rm(dataDir, { recursive: true });
    });
  });

  describe('set by hand', () => {
    it('takes a quantity, a price and a name, and keeps what is not said', async () => {
      const reply = await shop.request('PUT', '/_stock/SKU-0003', { quantity: 7, price: '0.50' });

      expect(reply.body).toEqual({ sku: 'SKU-0003', name: 'Thing 3', quantity: 7, price: '0.50' });
      expect(await shop.quantityOf('SKU-0003')).toBe(7);
      expect((await shop.order('order-1', 'SKU-0003', 8)).body.code).toBe('OUT_OF_STOCK');
    });

    it('creates a product, also one whose SKU needs encoding', async () => {
      const sku = 'Ü 100%/½';
      expect((await shop.request('PUT', `/_stock/${encodeURIComponent(sku)}`, { quantity: 3 })).status).toBe(200);

      expect(await shop.quantityOf(sku)).toBe(3);
      expect((await shop.order('order-1', sku, 3)).status).toBe(201);
    });

    it('takes a product off the listing, after which it is not sold', async () => {
      expect((await shop.request('DELETE', '/_stock/SKU-0003')).status).toBe(204);
      expect((await shop.request('DELETE', '/_stock/SKU-0003')).status).toBe(404);

      expect(await shop.quantityOf('SKU-0003')).toBeUndefined();
      expect((await shop.order('order-1', 'SKU-0003')).body.code).toBe('UNKNOWN_SKU');
    });

    it.each([{ quantity: -1 }, { quantity: 1.5 }, { price: '9.9' }, { price: 9.99 }, { name: '' }, { colour: 'red' }])(
      'answers 400 to %j',
      async (change) => {
        const reply = await shop.request('PUT', '/_stock/SKU-0003', change);

        expect(reply.status).toBe(400);
        expect(reply.body.message).toContain(Object.keys(change)[0]);
        expect((await shop.stock()).body.items).toEqual(items(25));
      },
    );
  });
});
