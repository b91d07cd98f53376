import { items, type Reply, SimulatedShop } from './simulated-shop';
import { SpokenShop, wholesaleItems } from './spoken';

describe('a wholesaler', () => {
  let shop: SimulatedShop;
  let speak: SpokenShop;

  beforeEach(async () => {
    shop = await SimulatedShop.open({ catalogue: items(25), dialect: 'wholesale' });
    speak = new SpokenShop(shop, 'wholesale');
  });
  afterEach(() => shop.close());

  function page(number: number, size = 10): Promise<Reply> {
    return shop.request('GET', `/inventory?page=${number}&page_size=${size}`);
  }

  function changes(after: number, limit = 1000): Promise<Reply> {
    return shop.request('GET', `/inventory/changes?after=${after}&limit=${limit}`);
  }

  describe('listing its inventory', () => {
    it('numbers its pages, counts its items and prices them in cents', async () => {
      const { body } = await page(3);

      expect(body).toEqual({
        as_of: expect.any(String),
        sequence: 0,
        page: 3,
        total_pages: 3,
        total_items: 25,
        items: expect.any(Array),
      });
      expect(body.items).toHaveLength(5);
      expect(body.items[4]).toEqual({
        item_number: 'SKU-0024',
        description: 'Thing 24',
        on_hand: 50,
        price_cents: 999,
      });
    });

    it('answers a page after the last with no items, and an empty inventory with one page', async () => {
      expect((await page(4)).body).toEqual(expect.objectContaining({ page: 4, total_pages: 3, items: [] }));
      await shop.faults({ emptySnapshot: {} });

      expect((await page(1)).body).toEqual(expect.objectContaining({ total_pages: 1, total_items: 0, items: [] }));
    });

    it('lets rows slide between pages when an item goes, and says so by its total', async () => {
      const first = (await page(1)).body;
      await shop.request('DELETE', '/_stock/SKU-0003');
      const second = (await page(2)).body;

      expect([first.total_items, second.total_items]).toEqual([25, 24]);
      expect(second.items[0].item_number).toBe('SKU-0011');
      expect(second.sequence).toBe(1);
    });

    it('carries no validator', async () => {
      expect((await page(1)).headers.has('etag')).toBe(false);
    });

    it.each([
      ['/inventory?page=0', 'page'],
      ['/inventory?page=two', 'page'],
      ['/inventory?page_size=1001', 'page_size'],
      ['/inventory?page_size=0', 'page_size'],
      ['/inventory?page=1&page=2', 'page'],
      ['/inventory?updatedSince=2026-01-01T00:00:00.000Z', 'updatedSince'],
      ['/inventory/changes', 'after'],
      ['/inventory/changes?after=-1', 'after'],
      ['/inventory/changes?after=0&limit=0', 'limit'],
      ['/inventory/changes?after=0&page=2', 'page'],
    ])('answers 400 to %s', async (path, named) => {
      const { status, body } = await shop.request('GET', path);

      expect([status, Object.keys(body)]).toEqual([400, ['error', 'message']]);
      expect(body.message).toContain(named);
    });
  });

  describe('telling its changes', () => {
    it('tells exactly the items that changed, each once, the one whose last change is oldest first', async () => {
      await speak.order('order-1', 'SKU-0007', 5);
      await speak.order('order-2', 'SKU-0002');
      await shop.request('PUT', '/_stock/SKU-0009', { price: '1.05' });
      await speak.cancel('order-1');
      await speak.order('order-3', 'SKU-0011', 51);
      const { body } = await changes(0);

      expect(wholesaleItems(body)).toEqual([
        { ...items(25)[2], quantity: 49 },
        { ...items(25)[9], price: '1.05' },
        items(25)[7],
      ]);
      expect([body.sequence, body.has_more]).toEqual([4, false]);
    });

    it('goes on from its sequence number, and from the one of a listing', async () => {
      await speak.order('order-1', 'SKU-0001');
      const { sequence } = (await page(1)).body;
      for (const sku of ['SKU-0004', 'SKU-0005', 'SKU-0006']) await speak.order(sku, sku);
      const first = (await changes(sequence, 2)).body;
      const second = (await changes(first.sequence, 2)).body;
      const third = (await changes(second.sequence)).body;

      const skus = [first, second, third].map((body) => wholesaleItems(body).map(({ sku }) => sku));
      expect(skus).toEqual([['SKU-0004', 'SKU-0005'], ['SKU-0006'], []]);
      expect([first.has_more, second.has_more, third.has_more]).toEqual([true, false, false]);
      expect([first.sequence, second.sequence, third.sequence]).toEqual([3, 4, 4]);
    });

    it('tells nothing of an item that has left the inventory, and tells of it when it is back', async () => {
      await speak.order('order-1', 'SKU-0001');
      await shop.request('DELETE', '/_stock/SKU-0001');
      const gone = (await changes(0)).body;
      await shop.request('PUT', '/_stock/SKU-0001', { quantity: 4 });
      const back = (await changes(gone.sequence)).body;

      expect([gone.items, gone.sequence]).toEqual([[], 2]);
      expect(wholesaleItems(back)).toEqual([expect.objectContaining({ sku: 'SKU-0001', quantity: 4 })]);
    });

    it('contains every order that was confirmed before its time', async () => {
      let number = 0;
      let buying = true;
      const buyers = Array.from({ length: 4 }, async () => {
        while (buying) {
          const index = number++;
          await speak.order(`order-${index}`, `SKU-${String(index % 25).padStart(4, '0')}`);
        }
      });
      const known = new Map(items(25).map(({ sku, quantity }) => [sku, quantity]));
      const seen: { asOf: string; quantities: Map<string, number> }[] = [];
      for (let round = 0, after = 0; round < 30; round++) {
        for (let more = true; more;) {
          const { body } = await changes(after, 10);
          for (const { sku, quantity } of wholesaleItems(body)) known.set(sku, quantity);
          [after, more] = [body.sequence, body.has_more];
          if (!more) seen.push({ asOf: body.as_of, quantities: new Map(known) });
        }
      }
      buying = false;
      await Promise.all(buyers);
      const rows = (await shop.ledger()).filter(({ status }) => status === 'accepted');

      for (const { asOf, quantities } of seen) {
        for (const [sku, quantity] of quantities) {
          const sold = rows.filter((row) => row.sku === sku && (row.acceptedAt as string) < asOf).length;
          expect(quantity).toBeLessThanOrEqual(50 - sold);
        }
      }
      expect(rows.length).toBeGreaterThan(30);
    });

    it('keeps its sequence over a restart', async () => {
      await speak.order('order-1', 'SKU-0001');
      await speak.order('order-2', 'SKU-0002');
      await shop.stop();
      await shop.start();

      const { body } = await changes(1);
      expect([body.sequence, wholesaleItems(body)]).toEqual([2, [{ ...items(25)[2], quantity: 49 }]]);
    });

    it('asks for a full listing when it is to reach back too far, or to a number it never gave', async () => {
      for (const number of [1, 2, 3]) await speak.order(`order-${number}`, 'SKU-0001');
      await shop.request('PUT', '/_settings', { deltaChangesMax: 2 });
      const answers = [await changes(0), await changes(1), await changes(3), await changes(4)];

      expect(answers.map(({ status }) => status)).toEqual([410, 200, 200, 410]);
      expect(answers[0]?.body).toEqual({ error: 'sequence_too_old', message: expect.any(String) });
    });

    it('staleSnapshot: knows nothing that came after its start', async () => {
      await speak.order('order-1', 'SKU-0001');
      const { as_of: asOf } = (await changes(0)).body;
      await shop.faults({ staleSnapshot: { count: 1 } });
      const { body } = await changes(0);

      expect([body.items, body.sequence, body.as_of < asOf]).toEqual([[], 0, true]);
      expect((await changes(0)).body.items).toHaveLength(1);
    });
  });

  describe('taking purchase orders', () => {
    it('confirms with its number and its time, and answers the same again', async () => {
      const first = await speak.order('order-1', 'SKU-0000', 3);
      const again = await speak.order('order-1', 'SKU-0000', 3);

      expect(first.body).toEqual({
        po_number: 'order-1',
        confirmation_number: 'TS-0000001',
        confirmed_at: expect.stringMatching(/Z$/),
      });
      expect(again.body).toEqual(first.body);
      expect((await speak.lookUp('order-1')).body).toEqual({ ...first.body, state: 'confirmed' });
    });

    it('names its reasons in its own words', async () => {
      const replies = [await speak.order('order-1', 'SKU-0000', 51), await speak.order('order-2', 'NOTHING')];

      expect(replies.map(({ status, body }) => [status, body.error])).toEqual([
        [409, 'insufficient_stock'],
        [422, 'unknown_item'],
      ]);
      expect((await speak.lookUp('order-1')).body).toEqual({
        po_number: 'order-1',
        state: 'rejected',
        confirmation_number: null,
        confirmed_at: null,
        error: 'insufficient_stock',
      });
    });

    it('cannot close an order number it has never seen, and sells to it later', async () => {
      const cancelled = await speak.cancel('order-1');
      const placed = await speak.order('order-1', 'SKU-0000');

      expect([cancelled.status, cancelled.body.error]).toEqual([404, 'unknown_purchase_order']);
      expect(placed.status).toBe(201);
    });
  });
});
