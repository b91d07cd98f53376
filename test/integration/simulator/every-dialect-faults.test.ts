import { items, SimulatedShop, until } from './simulated-shop';
import { SpokenShop } from './spoken';

describe.each(['rest', 'wholesale', 'feed'] as const)('the faults of a vendor that speaks %s', (dialect) => {
  let shop: SimulatedShop;
  let speak: SpokenShop;

  beforeEach(async () => {
    const settings = dialect === 'feed' ? { decidedAfterMs: 0 } : {};
    shop = await SimulatedShop.open({ catalogue: items(25), dialect, settings });
    speak = new SpokenShop(shop, dialect);
  });
  afterEach(() => shop.close());

  it('latency: answers late', async () => {
    await shop.faults({ latency: { ms: 30 } });
    const startMs = performance.now();

    expect((await speak.stock()).status).toBe(200);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(29);
  });

  it('error5xx, tooManyRequests, redirect: answer that, say when to come again, and do nothing', async () => {
    await shop.faults({ error5xx: { status: 503, retryAfterSeconds: 9 } });
    const failed = await speak.order('order-1', 'SKU-0000');
    await shop.faults({ tooManyRequests: { retryAfterSeconds: 7 } });
    const busy = await speak.order('order-1', 'SKU-0000');
    await shop.faults({ redirect: {} });
    const moved = await speak.order('order-1', 'SKU-0000');

    expect([failed.status, failed.headers.get('retry-after')]).toEqual([503, '9']);
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([429, '7']);
    expect([moved.status, moved.headers.get('location')]).toEqual([302, '/test-shop/_ledger']);
    await shop.faults({});
    expect(await speak.state('order-1')).toBe('404');
    expect(await shop.ledger()).toEqual([]);
  });

  it('outage: destroys every connection', async () => {
    await shop.faults({ outage: {} });

    for (const call of [speak.stock(), speak.order('order-1', 'SKU-0000'), speak.lookUp('x'), speak.cancel('x')]) {
      await expect(call).rejects.toThrow('fetch failed');
    }
    expect(await shop.ledger()).toEqual([]);
  });

  it('unreadableBody: takes the order and answers rubbish', async () => {
    await shop.faults({ unreadableBody: { count: 2 } });
    const replies = [await speak.order('order-1', 'SKU-0000'), await speak.stock()];
    await speak.decided('order-1');

    expect(replies.map(({ status, body }) => [status, String(body).slice(0, 9)])).toEqual([
      [200, '<!doctype'],
      [200, '<!doctype'],
    ]);
    expect(await shop.ledger('order-1')).toHaveLength(1);
  });

  it('slowDrip: the right answer arrives, a few bytes at a time', async () => {
    await shop.faults({ slowDrip: { bytesPerSecond: 40_000 } });
    const startMs = performance.now();

    expect((await speak.listing()).items).toEqual(items(25));
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(30);
  });

  it('brokenOff: the answer ends in the middle', async () => {
    const whole = JSON.stringify((await speak.stock()).body);
    await shop.faults({ brokenOff: { keepShare: 0.4 } });
    const { status, body } = await speak.stock();

    expect([status, typeof body]).toEqual([200, 'string']);
    expect(body.length).toBeLessThan(whole.length * 0.6);
    expect(body.length).toBeGreaterThan(whole.length * 0.2);
  });

  it.each(['acceptThenDrop', 'acceptThen500'])('%s: the order stands and its answer is lost', async (fault) => {
    await shop.faults({ [fault]: { count: 1 } });
    const answer = await speak.order('order-1', 'SKU-0000').catch(() => undefined);
    await speak.decided('order-1');

    expect(answer?.status).toBe(fault === 'acceptThen500' ? 500 : undefined);
    expect(await speak.state('order-1')).toBe('accepted');
    expect((await speak.order('order-1', 'SKU-0000')).status).toBe(dialect === 'feed' ? 202 : 200);
    expect(await shop.ledger()).toHaveLength(1);
  });

  it('delayedAcceptance: no answer, then 404, then accepted', async () => {
    await shop.faults({ delayedAcceptance: { ms: 300 } });

    await expect(speak.order('order-1', 'SKU-0000')).rejects.toThrow('fetch failed');
    expect(await speak.state('order-1')).toBe('404');
    await until(async () => (await speak.state('order-1')) === 'accepted');
    expect(await shop.ledger('order-1')).toHaveLength(1);
  });

  it('delayedAcceptance: a cancellation in between keeps it from being bought where the vendor can close it', async () => {
    await shop.faults({ delayedAcceptance: { ms: 50, count: 2 } });
    await expect(speak.order('order-1', 'SKU-0000')).rejects.toThrow('fetch failed');
    const { status } = await speak.cancel('order-1');
    await expect(speak.order('order-2', 'SKU-0000')).rejects.toThrow('fetch failed');
    await until(async () => (await speak.state('order-2')) === 'accepted');

    const bought = dialect === 'wholesale';
    expect(status).toBe(bought ? 404 : 204);
    expect(await speak.state('order-1')).toBe(bought ? 'accepted' : 'cancelled');
    expect(await shop.ledger('order-1')).toHaveLength(bought ? 1 : 0);
  });

  it('outOfStock: refuses what is there', async () => {
    await shop.faults({ outOfStock: { count: 1 } });
    await speak.orderDecided('order-1', 'SKU-0000');
    await speak.orderDecided('order-2', 'SKU-0000');

    const { body } = await speak.lookUp('order-1');
    expect([speak.spoken.stateIn(body), speak.spoken.reasonIn(body)]).toEqual(['refused', 'OUT_OF_STOCK']);
    expect(await speak.state('order-2')).toBe('accepted');
  });

  it('staleSnapshot: answers the listing of the start with its time, to its last row', async () => {
    const { asOf } = await speak.listing();
    await speak.orderDecided('order-1', 'SKU-0024', 20);
    await shop.faults({ staleSnapshot: { count: 1 } });
    const stale = await speak.listing();

    expect(stale.asOf <= asOf).toBe(true);
    expect(stale.items).toEqual(items(25));
    expect(await speak.quantityOf('SKU-0024')).toBe(30);
  });

  it('reorderedSnapshot: answers the listing backwards, complete', async () => {
    await shop.faults({ reorderedSnapshot: { count: 1 } });

    expect((await speak.listing()).items).toEqual(items(25).reverse());
    expect((await speak.listing()).items).toEqual(items(25));
  });

  it('emptySnapshot, truncatedSnapshot: the listing ends early, and looks right', async () => {
    await shop.faults({ emptySnapshot: { count: 1 } });
    const empty = await speak.listing();
    await shop.faults({ truncatedSnapshot: { keepShare: 0.6, count: 1 } });
    const truncated = await speak.listing();

    expect(empty.items).toEqual([]);
    expect(truncated.items).toEqual(items(25).slice(0, 15));
    expect((await speak.listing()).items).toHaveLength(25);
  });

  it('clockSkew: shifts the vendor’s clock, which still never goes back', async () => {
    await shop.faults({ clockSkew: { ms: 3_600_000 } });
    const skewed = (await speak.listing()).asOf;
    await speak.orderDecided('order-1', 'SKU-0000');
    await shop.faults({});
    await shop.stop();
    await shop.start();
    await speak.orderDecided('order-2', 'SKU-0000');
    const times = [skewed, ...(await shop.ledger()).map(({ acceptedAt }) => acceptedAt as string)];

    expect(Date.parse(skewed)).toBeGreaterThan(Date.now() + 3_500_000);
    expect(times).toEqual([...times].sort());
  });

  it('outsideSales, restocking: the stock goes down and up while nobody orders, and stays so after a stop', async () => {
    const total = async () => (await speak.listing()).items.reduce((sum, { quantity }) => sum + quantity, 0);
    await shop.faults({ outsideSales: { perSecond: 1_000, count: 40 } });
    await until(async () => (await shop.fired('outsideSales')) === 40);
    expect(await total()).toBe(25 * 50 - 40);
    await shop.faults({ restocking: { perSecond: 1_000, count: 65 } });
    await until(async () => (await shop.fired('restocking')) === 65);
    await shop.stop();
    await shop.start();

    expect(await total()).toBe(25 * 50 - 40 + 65);
    expect(await shop.ledger()).toEqual([]);
  });
});
