import { items, type Reply, SimulatedShop, until } from './simulated-shop';
import { linesOf, SpokenShop } from './spoken';

describe('a vendor with a feed', () => {
  let shop: SimulatedShop;
  let speak: SpokenShop;

  beforeEach(async () => {
    shop = await SimulatedShop.open({ catalogue: items(25), dialect: 'feed', settings: { decidedAfterMs: 0 } });
    speak = new SpokenShop(shop, 'feed');
  });
  afterEach(() => shop.close());

  function file(headers: Record<string, string> = {}): Promise<Reply> {
    return shop.request('GET', '/catalogue.ndjson', undefined, headers);
  }

  function settings(values: object): Promise<Reply> {
    return shop.request('PUT', '/_settings', values);
  }

  /** The file once it no longer changes by itself: one from the millisecond of a change is soon replaced. */
  async function settledFile(): Promise<Reply> {
    for (;;) {
      const [first, second] = [await file(), await file()];
      if (first.headers.get('etag') === second.headers.get('etag')) return second;
    }
  }

  describe('writing its file', () => {
    it('begins with its time, has a line for each product and ends with their number', async () => {
      const { headers, body } = await file();
      const lines = linesOf(body);

      expect(headers.get('content-type')).toContain('application/x-ndjson');
      expect(body).toMatch(/\n$/);
      expect(lines[0]).toEqual({ asOf: expect.stringMatching(/Z$/) });
      expect(lines[25]).toEqual({ id: 'SKU-0024', title: 'Thing 24', available: 50, price: '9.99' });
      expect(lines.at(-1)).toEqual({ end: true, count: 25 });
    });

    it('serves the very same file as long as nothing changes, and 304 to who has it', async () => {
      const first = await settledFile();
      const etag = first.headers.get('etag') as string;
      await speak.order('order-1', 'NOTHING');
      const unchanged = await file({ 'if-none-match': `"other", ${etag}` });

      expect((await file()).body).toBe(first.body);
      expect([unchanged.status, unchanged.body, unchanged.headers.get('etag')]).toEqual([304, '', etag]);
    });

    it('writes a new one after an order, a cancellation, a correction and a restart', async () => {
      const happenings = [
        () => speak.orderDecided('order-1', 'SKU-0000'),
        () => speak.cancel('order-1'),
        () => shop.request('PUT', '/_stock/SKU-0001', { price: '1.00' }),
        () => shop.request('DELETE', '/_stock/SKU-0001'),
        () => shop.stop().then(() => shop.start()),
      ];
      for (const happen of happenings) {
        const etag = (await settledFile()).headers.get('etag') as string;
        await happen();
        expect((await file({ 'if-none-match': etag })).status).toBe(200);
      }
    });

    it('never keeps a file whose time does not prove the last change', async () => {
      await speak.orderDecided('order-1', 'SKU-0000');
      const { body } = await settledFile();
      const [row] = await shop.ledger('order-1');

      expect(linesOf(body)[0].asOf > (row?.acceptedAt as string)).toBe(true);
    });

    it('serves an old file for a while when it writes new ones seldom', async () => {
      await settings({ generatedEveryMs: 3_600_000 });
      const first = await file();
      await speak.orderDecided('order-1', 'SKU-0000', 20);
      const second = await file();
      await settings({ generatedEveryMs: 0 });

      expect([second.body, second.headers.get('etag')]).toEqual([first.body, first.headers.get('etag')]);
      expect(await speak.quantityOf('SKU-0000')).toBe(30);
    });

    it.each(['staleSnapshot', 'reorderedSnapshot', 'emptySnapshot', 'truncatedSnapshot'])(
      '%s: has a right end line, no ETag, and comes even to who has the true file',
      async (fault) => {
        const etag = (await settledFile()).headers.get('etag') as string;
        await shop.faults({ [fault]: fault === 'truncatedSnapshot' ? { keepShare: 0.5 } : {} });
        const { status, headers, body } = await file({ 'if-none-match': etag });
        const lines = linesOf(body);

        expect([status, headers.has('etag')]).toEqual([200, false]);
        expect(lines.at(-1)).toEqual({ end: true, count: lines.length - 2 });
      },
    );

    it('brokenOff: ends in the middle of a line, without its end line', async () => {
      await shop.faults({ brokenOff: {} });
      const { status, body } = await file();

      expect(status).toBe(200);
      expect(body).not.toMatch(/\n$/);
      expect(body).not.toContain('"end"');
    });

    it('brokenOff: breaks off a file of many parts where it is told to', async () => {
      const big = await SimulatedShop.open({ dialect: 'feed', catalogue: { generated: { count: 5_000, seed: 1 } } });
      await big.faults({ brokenOff: { keepShare: 0.77, count: 1 } });
      const broken = (await big.request('GET', '/catalogue.ndjson')).body as string;
      const whole = (await big.request('GET', '/catalogue.ndjson')).body as string;

      expect(broken.length / whole.length).toBeCloseTo(0.77, 2);
      expect(whole.startsWith(broken.slice(broken.indexOf('\n')), broken.indexOf('\n'))).toBe(true);
      expect(linesOf(whole)).toHaveLength(5_002);
      await big.close();
    });
  });

  describe('taking orders', () => {
    it('queues an order, and decides later', async () => {
      await settings({ decidedAfterMs: 50 });
      const taken = await speak.order('order-1', 'SKU-0000', 3);
      const undecided = await speak.order('order-1', 'SKU-0000', 3);
      await speak.decided('order-1');
      const decided = await speak.order('order-1', 'SKU-0000', 3);
      const [row] = await shop.ledger();

      expect([taken.status, taken.body]).toEqual([202, { orderRef: 'order-1', state: 'queued' }]);
      expect([undecided.status, undecided.body]).toEqual([202, taken.body]);
      const accepted = { state: 'accepted', orderNumber: row?.vendorOrderId, acceptedAt: row?.acceptedAt };
      expect([decided.status, decided.body]).toEqual([202, { orderRef: 'order-1', ...accepted }]);
      expect((await speak.lookUp('order-1')).body).toEqual(decided.body);
    });

    it('shows nothing of an undecided order in its stock and its ledger', async () => {
      await settings({ decidedAfterMs: 3_600_000 });
      await speak.order('order-1', 'SKU-0000', 3);

      expect((await speak.lookUp('order-1')).body).toEqual({ orderRef: 'order-1', state: 'queued' });
      expect(await speak.quantityOf('SKU-0000')).toBe(50);
      expect(await shop.ledger()).toEqual([]);
    });

    it('rejects a queued order when the stock is gone by then, and answers so from then on', async () => {
      await settings({ decidedAfterMs: 50 });
      await speak.order('order-1', 'SKU-0000', 30);
      const second = await speak.order('order-2', 'SKU-0000', 30);
      await speak.decided('order-2');
      const again = await speak.order('order-2', 'SKU-0000', 30);

      expect(second.body.state).toBe('queued');
      expect([again.status, again.body]).toEqual([
        202,
        { orderRef: 'order-2', state: 'rejected', reason: 'OUT_OF_STOCK' },
      ]);
      expect((await shop.ledger('order-2'))[0]).toEqual(expect.objectContaining({ status: 'refused' }));
    });

    it('rejects at once what it can see is not to be had', async () => {
      const { status, body } = await speak.order('order-1', 'SKU-0000', 51);

      expect([status, body]).toEqual([409, { state: 'rejected', reason: 'OUT_OF_STOCK', message: expect.any(String) }]);
    });

    it('decides what was queued when it stopped after its next start', async () => {
      await settings({ decidedAfterMs: 3_600_000 });
      await speak.order('order-1', 'SKU-0000', 3);
      await speak.order('order-2', 'SKU-0000', 3);
      await speak.cancel('order-2');
      await shop.stop();
      await shop.start();
      await speak.decided('order-1');

      expect([await speak.state('order-1'), await speak.state('order-2')]).toEqual(['accepted', 'cancelled']);
      expect(await shop.ledger()).toHaveLength(1);
      expect(await speak.quantityOf('SKU-0000')).toBe(47);
    });

    it('buys nothing for an order that was cancelled while it was queued', async () => {
      await settings({ decidedAfterMs: 30 });
      await speak.order('order-1', 'SKU-0000', 3);
      await speak.order('order-2', 'SKU-0000');
      expect((await speak.cancel('order-1')).status).toBe(204);
      await speak.decided('order-2');

      expect((await speak.lookUp('order-1')).body).toEqual({ orderRef: 'order-1', state: 'cancelled' });
      expect(await speak.quantityOf('SKU-0000')).toBe(49);
      expect(await shop.ledger()).toHaveLength(1);
    });

    it('closes an order it has never seen', async () => {
      expect((await speak.cancel('order-1')).status).toBe(204);
      const late = await speak.order('order-1', 'SKU-0000');

      expect([late.status, late.body.reason]).toEqual([409, 'CANCELLED']);
      expect(await shop.ledger()).toEqual([]);
    });

    it('outOfStock: strikes when it is decided, not when it is taken in', async () => {
      await shop.faults({ outOfStock: { count: 1 } });
      const taken = await speak.order('order-1', 'SKU-0000');
      await until(async () => (await speak.lookUp('order-1')).body.state === 'rejected');

      expect(taken.body.state).toBe('queued');
    });
  });
});
