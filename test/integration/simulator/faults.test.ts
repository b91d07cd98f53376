import { items, SimulatedShop, until } from './simulated-shop';

describe('the faults of a simulated vendor', () => {
  let shop: SimulatedShop;

  beforeEach(async () => {
    shop = await SimulatedShop.open({ catalogue: items(25) });
  });
  afterEach(() => shop.close());

  describe('being set', () => {
    it('are replaced by the next ones and cleared by none', async () => {
      const set = await shop.faults({ latency: { ms: 1 }, error5xx: { status: 503, share: 0.5, seed: 7 } });
      expect([set.status, set.body]).toEqual([
        200,
        {
          latency: { ms: 1, share: 1, seed: expect.any(Number), fired: 0 },
          error5xx: { status: 503, share: 0.5, seed: 7, fired: 0 },
        },
      ]);
      await shop.faults({ outage: { operation: 'order' } });
      expect(Object.keys((await shop.request('GET', '/_faults')).body)).toEqual(['outage']);

      expect((await shop.faults({})).body).toEqual({});
    });

    it.each<[string, object]>([
      ['latencyy', { latencyy: {} }],
      ['constructor', { constructor: {} }],
      ['latency.ms', { latency: {} }],
      ['latency.ms', { latency: { ms: -1 } }],
      ['latency.ms', { latency: { ms: '100' } }],
      ['latency.ms', { latency: { ms: 1.5 } }],
      ['secs', { latency: { ms: 1, secs: 2 } }],
      ['error5xx.status', { error5xx: { status: 404 } }],
      ['outage.share', { outage: { share: 1.1 } }],
      ['outage.count', { outage: { count: -1 } }],
      ['outage.seed', { outage: { seed: 0.5 } }],
      ['outage.operation', { outage: { operation: 'everything' } }],
      ['acceptThenDrop.operation', { acceptThenDrop: { operation: 'stock' } }],
      ['truncatedSnapshot.keepShare', { truncatedSnapshot: { keepShare: 2 } }],
      ['slowDrip.bytesPerSecond', { slowDrip: { bytesPerSecond: 0 } }],
      ['share', { clockSkew: { ms: 1, share: 0.5 } }],
      ['outage', { outage: true }],
      ['object', []],
    ])('are refused with the name of what is wrong (%s), and nothing changes', async (named, faults) => {
      await shop.faults({ emptySnapshot: {} });

      const reply = await shop.faults(faults);

      expect([reply.status, reply.body.code]).toEqual([400, 'BAD_FAULT']);
      expect(reply.body.message).toContain(named);
      expect(Object.keys((await shop.request('GET', '/_faults')).body)).toEqual(['emptySnapshot']);
    });
  });

  describe('striking', () => {
    it('strike the next requests up to their count', async () => {
      await shop.faults({ error5xx: { count: 2 } });

      const statuses = [(await shop.stock()).status, (await shop.lookUp('x')).status, (await shop.stock()).status];

      expect(statuses).toEqual([500, 500, 200]);
      expect(await shop.fired('error5xx')).toBe(2);
    });

    it('strike the same share again with the same seed', async () => {
      const statuses = async () => {
        await shop.faults({ error5xx: { share: 0.3, seed: 42 } });
        const seen: number[] = [];
        for (let request = 0; request < 100; request++) seen.push((await shop.stock('?limit=1')).status);
        return seen;
      };
      const first = await statuses();

      expect(await statuses()).toEqual(first);
      expect(first.filter((status) => status === 500).length).toBeGreaterThan(15);
      expect(first.filter((status) => status === 500).length).toBeLessThan(45);
    });

    it('strike only the operation they are for', async () => {
      await shop.faults({ error5xx: { operation: 'order' } });

      expect((await shop.stock()).status).toBe(200);
      expect((await shop.lookUp('order-1')).status).toBe(404);
      expect((await shop.order('order-1', 'SKU-0000')).status).toBe(500);
      expect(await shop.ledger()).toEqual([]);
    });

    it('strike together', async () => {
      await shop.faults({ latency: { ms: 30 }, acceptThen500: {} });
      const startMs = performance.now();

      expect((await shop.order('order-1', 'SKU-0000')).status).toBe(500);
      expect(performance.now() - startMs).toBeGreaterThanOrEqual(29);
      expect(await shop.ledger('order-1')).toHaveLength(1);
    });
  });

  it('latency: answers late, and does what a client that went away had asked for', async () => {
    await shop.faults({ latency: { ms: 50, operation: 'order' } });
    const impatient = fetch(`${shop.baseUrl}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'order-1' },
      body: JSON.stringify({ reference: 'order-1', sku: 'SKU-0000', quantity: 1 }),
      signal: AbortSignal.timeout(20),
    });

    await expect(impatient).rejects.toThrow();
    await until(async () => (await shop.ledger('order-1')).length === 1);
  });

  it('error5xx: does nothing and answers the status, with Retry-After if wanted', async () => {
    await shop.faults({ error5xx: { status: 503, retryAfterSeconds: 9 } });
    const reply = await shop.order('order-1', 'SKU-0000');

    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '9']);
    expect(await shop.ledger()).toEqual([]);
  });

  it('tooManyRequests: does nothing and says when to come again', async () => {
    await shop.faults({ tooManyRequests: { retryAfterSeconds: 7 } });
    const reply = await shop.order('order-1', 'SKU-0000');

    expect([reply.status, reply.headers.get('retry-after')]).toEqual([429, '7']);
    expect(await shop.ledger()).toEqual([]);
  });

  it('redirect: sends the client to a place that answers 200, having done nothing', async () => {
    await shop.faults({ redirect: {} });
    const reply = await shop.order('order-1', 'SKU-0000');

    expect(reply.status).toBe(302);
    expect((await fetch(new URL(reply.headers.get('location') as string, shop.baseUrl))).status).toBe(200);
    expect(await shop.ledger()).toEqual([]);
  });

  it('unreadableBody: accepts the order and answers rubbish', async () => {
    await shop.faults({ unreadableBody: {} });
    const reply = await shop.order('order-1', 'SKU-0000');

    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toContain('application/json');
    expect(typeof reply.body).toBe('string');
    expect(await shop.ledger('order-1')).toHaveLength(1);
  });

  it('slowDrip: the right answer arrives, a byte at a time', async () => {
    await shop.faults({ slowDrip: { bytesPerSecond: 1_000 } });
    const startMs = performance.now();
    const reply = await shop.order('order-1', 'SKU-0000');

    expect(reply.status).toBe(201);
    expect((await shop.ledger('order-1'))[0]).toEqual(expect.objectContaining(reply.body));
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(50);
    expect((await shop.request('DELETE', '/orders/order-1')).status).toBe(204);
  });

  it('slowDrip: a drip that would take hours does not keep the simulator from stopping', async () => {
    await shop.faults({ slowDrip: { bytesPerSecond: 0.1 } });
    const response = await fetch(`${shop.baseUrl}/stock`);
    const body = response.text();

    await Promise.all([expect(body).rejects.toThrow(), shop.stop()]);
  });

  it('outage: every connection is destroyed, except behind the counter', async () => {
    await shop.faults({ outage: {} });

    await expect(shop.stock()).rejects.toThrow('fetch failed');
    await expect(shop.order('order-1', 'SKU-0000')).rejects.toThrow('fetch failed');
    await expect(shop.lookUp('order-1')).rejects.toThrow('fetch failed');
    await expect(shop.request('DELETE', '/orders/order-1')).rejects.toThrow('fetch failed');
    expect(await shop.ledger()).toEqual([]);
    expect((await shop.request('PUT', '/_stock/SKU-0000', { quantity: 1 })).status).toBe(200);
    expect(await shop.fired('outage')).toBe(4);
  });

  it('acceptThenDrop: the order stands and no answer comes', async () => {
    await shop.faults({ acceptThenDrop: { count: 1 } });

    await expect(shop.order('order-1', 'SKU-0000')).rejects.toThrow('fetch failed');
    expect((await shop.lookUp('order-1')).body.status).toBe('accepted');
    expect((await shop.order('order-1', 'SKU-0000')).status).toBe(200);
    expect(await shop.ledger()).toHaveLength(1);
  });

  it('acceptThenDrop: a refusal is not swallowed, because nothing was accepted', async () => {
    await shop.faults({ acceptThenDrop: { count: 1 } });

    expect((await shop.order('order-1', 'NOTHING')).status).toBe(422);
    expect(await shop.fired('acceptThenDrop')).toBe(0);
  });

  it('acceptThen500: the order stands and the answer denies it', async () => {
    await shop.faults({ acceptThen500: {} });

    expect((await shop.order('order-1', 'SKU-0000')).status).toBe(500);
    expect((await shop.lookUp('order-1')).body.status).toBe('accepted');
  });

  it('delayedAcceptance: no answer, then 404, then accepted', async () => {
    await shop.faults({ delayedAcceptance: { ms: 300 } });

    await expect(shop.order('order-1', 'SKU-0000')).rejects.toThrow('fetch failed');
    expect((await shop.lookUp('order-1')).status).toBe(404);
    expect(await shop.ledger()).toEqual([]);
    await until(async () => (await shop.lookUp('order-1')).status === 200);
    expect(await shop.ledger('order-1')).toHaveLength(1);
  });

  it('delayedAcceptance: buys nothing when the reference was closed in the meantime', async () => {
    await shop.faults({ delayedAcceptance: { ms: 50, count: 2 } });

    await expect(shop.order('order-1', 'SKU-0000')).rejects.toThrow('fetch failed');
    expect((await shop.request('DELETE', '/orders/order-1')).status).toBe(204);
    await expect(shop.order('order-2', 'SKU-0000')).rejects.toThrow('fetch failed');
    await until(async () => (await shop.ledger('order-2')).length === 1);
    expect(await shop.ledger('order-1')).toEqual([]);
  });

  it('outOfStock: refuses what is there', async () => {
    await shop.faults({ outOfStock: { count: 1 } });
    const reply = await shop.order('order-1', 'SKU-0000');

    expect([reply.status, reply.body.code]).toEqual([409, 'OUT_OF_STOCK']);
    expect((await shop.ledger())[0]).toEqual(expect.objectContaining({ status: 'refused', code: 'OUT_OF_STOCK' }));
    expect((await shop.order('order-2', 'SKU-0000')).status).toBe(201);
  });

  it('staleSnapshot: answers the listing of the start with its asOf, on every page', async () => {
    const { asOf } = (await shop.stock()).body;
    await shop.order('order-1', 'SKU-0024', 20);
    await shop.faults({ staleSnapshot: { count: 1 } });

    const first = (await shop.stock('?limit=20')).body;
    const second = (await shop.stock(`?limit=20&cursor=${first.nextCursor}`)).body;

    expect(first.asOf <= asOf).toBe(true);
    expect(second.asOf).toBe(first.asOf);
    expect([...first.items, ...second.items]).toEqual(items(25));
    expect(await shop.quantityOf('SKU-0024')).toBe(30);
  });

  it('reorderedSnapshot: answers the listing backwards, complete', async () => {
    await shop.faults({ reorderedSnapshot: {} });

    const first = (await shop.stock('?limit=20')).body;
    const second = (await shop.stock(`?limit=20&cursor=${first.nextCursor}`)).body;

    expect([...first.items, ...second.items]).toEqual(items(25).reverse());
    expect(second.nextCursor).toBeNull();
  });

  it('emptySnapshot: answers a listing with nothing in it', async () => {
    await shop.faults({ emptySnapshot: {} });

    expect((await shop.stock()).body).toEqual({ asOf: expect.any(String), items: [], nextCursor: null });
  });

  it.each(['staleSnapshot', 'reorderedSnapshot', 'emptySnapshot', 'truncatedSnapshot'])(
    '%s: is answered in full even to who has the ETag of the true listing, and gets none',
    async (fault) => {
      let etag: string | null = null;
      await until(async () => (etag = (await shop.stock()).headers.get('etag')) !== null);
      await shop.faults({ [fault]: fault === 'truncatedSnapshot' ? { keepShare: 0.5 } : {} });

      const reply = await shop.stock('', { 'if-none-match': String(etag) });

      expect([reply.status, reply.headers.has('etag')]).toEqual([200, false]);
    },
  );

  it('truncatedSnapshot: the listing silently ends early, over several pages', async () => {
    await shop.faults({ truncatedSnapshot: { keepShare: 0.6, count: 1 } });

    const first = (await shop.stock('?limit=10')).body;
    const second = (await shop.stock(`?limit=10&cursor=${first.nextCursor}`)).body;

    expect([...first.items, ...second.items]).toEqual(items(25).slice(0, 15));
    expect(second.nextCursor).toBeNull();
    expect((await shop.stock()).body.items).toHaveLength(25);
  });

  it('clockSkew: shifts the vendor’s clock, which still never goes back', async () => {
    await shop.faults({ clockSkew: { ms: 3_600_000 } });
    const skewed = (await shop.stock()).body.asOf as string;
    const during = (await shop.order('order-1', 'SKU-0000')).body.acceptedAt as string;
    await shop.faults({});
    const after = (await shop.order('order-2', 'SKU-0000')).body.acceptedAt as string;
    await shop.stop();
    await shop.start();
    const restarted = (await shop.order('order-3', 'SKU-0000')).body.acceptedAt as string;

    expect(Date.parse(skewed)).toBeGreaterThan(Date.now() + 3_500_000);
    expect([skewed, during, after, restarted]).toEqual([skewed, during, after, restarted].sort());
  });

  it('clockSkew: an asOf from a clock that was ahead still binds after a restart', async () => {
    await shop.faults({ clockSkew: { ms: 3_600_000 } });
    const { asOf } = (await shop.stock()).body;
    await shop.stop();
    await shop.start();

    expect((await shop.order('order-1', 'SKU-0000')).body.acceptedAt >= asOf).toBe(true);
  });

  it('outsideSales: somebody else buys, until the count is reached', async () => {
    await shop.faults({ outsideSales: { perSecond: 1_000, count: 40 } });
    const left = async () => {
      const listing = (await shop.stock()).body.items as { quantity: number }[];
      return listing.reduce((sum, { quantity }) => sum + quantity, 0);
    };
    await until(async () => (await shop.fired('outsideSales')) === 40);

    expect(await left()).toBe(25 * 50 - 40);
    expect(await shop.ledger()).toEqual([]);
    await shop.stop();
    await shop.start();
    expect(await left()).toBe(25 * 50 - 40);
  });

  it('outsideSales: never sell more than there is', async () => {
    for (const { sku } of items(25)) await shop.request('PUT', `/_stock/${sku}`, { quantity: 1 });
    await shop.faults({ outsideSales: { perSecond: 10_000 } });
    await until(async () => (await shop.fired('outsideSales')) === 25);
    await shop.faults({});

    expect(((await shop.stock()).body.items as { quantity: number }[]).every(({ quantity }) => quantity === 0)).toBe(
      true,
    );
  });
});
