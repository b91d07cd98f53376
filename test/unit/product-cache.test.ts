import { ProductCache } from '../../src/stock/cache/product-cache';
import type { SharedProducts } from '../../src/stock/cache/shared-products';
import type { ProductQueries, ProductRead } from '../../src/stock/product-queries';

const TIME = '2030-01-01T12:00:00.000Z';

function readOf(productId: string, stockQuantity: number): ProductRead {
  const [vendorId, sku] = productId.split(':') as [string, string];
  const quantities = { stockQuantity, sellableQuantity: stockQuantity, vendorQuantity: stockQuantity };
  const fields = { name: sku, price: '1.00', currency: 'USD', reservedQuantity: 0, listed: true, stale: false };
  const product = { productId, vendorId, sku, ...fields, ...quantities, observedAt: TIME, updatedAt: TIME };
  return { product, sellableWhenStale: 1, stockAgeSeconds: 5 };
}

describe('the product cache', () => {
  let stock: Record<string, number>;
  /** What the database does with a question, by default answer from `stock`. */
  let answer: (productIds: string[]) => Promise<ProductRead[]>;
  let findMany: jest.Mock<Promise<ProductRead[]>, [string[]]>;
  let shared: { read: jest.Mock; write: jest.Mock };
  let cache: ProductCache;

  beforeEach(() => {
    jest.useFakeTimers();
    stock = { 'acme:A': 10, 'acme:B': 20 };
    answer = (ids) => Promise.resolve(ids.flatMap((id) => (id in stock ? [readOf(id, stock[id]!)] : [])));
    findMany = jest.fn((ids: string[]) => answer(ids));
    shared = { read: jest.fn(() => Promise.resolve(new Map())), write: jest.fn() };
    cache = new ProductCache({ findMany } as unknown as ProductQueries, shared as unknown as SharedProducts);
  });
  afterEach(() => jest.useRealTimers());

  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
  const away = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }));
  const silent = () => new Promise<never>(() => undefined);
  const asked = () => findMany.mock.calls.map(([ids]) => ids);

  async function get(productId = 'acme:A') {
    const promised = cache.get(productId);
    promised.catch(() => undefined);
    await pass(0);
    return promised;
  }
  const stockOf = async (productId = 'acme:A') => JSON.parse((await get(productId)).body).stockQuantity;

  it('shows what changed within a second, without being told', async () => {
    expect(await stockOf()).toBe(10);
    stock['acme:A'] = 9;
    await pass(300);
    expect(await stockOf()).toBe(10);
    await pass(200);
    expect(await stockOf()).toBe(9);
  });

  it('asks once for a product that a crowd wants, and once for all that is wanted meanwhile', async () => {
    let release!: () => void;
    answer = (ids) => new Promise((resolve) => (release = () => resolve(ids.map((id) => readOf(id, 1)))));
    const first = Array.from({ length: 100 }, () => cache.get('acme:A'));
    await pass(0);
    const releaseFirst = release;
    const second = ['acme:C', 'acme:A', 'acme:D', 'acme:C'].map((id) => cache.get(id));
    await pass(0);
    releaseFirst();
    release();
    await pass(0);
    await Promise.all([...first, ...second]);
    expect(asked()).toEqual([['acme:A'], ['acme:C', 'acme:D']]);
  });

  it('has two reads under way at most, however many products are wanted', async () => {
    answer = silent;
    for (let n = 0; n < 50; n++) {
      cache.get(`acme:${n}`).catch(() => undefined);
      await pass(0);
    }
    expect(asked()).toHaveLength(2);
    await pass(1000);
  });

  it('does not wait for a read so old that it may not show what changed a second ago', async () => {
    const releases: (() => void)[] = [];
    answer = (ids) => {
      const seen = ids.map((id) => readOf(id, stock[id]!));
      return new Promise((resolve) => releases.push(() => resolve(seen)));
    };
    const early = cache.get('acme:A');
    await pass(401);
    stock['acme:A'] = 9;
    const late = cache.get('acme:A');
    await pass(0);
    expect(releases).toHaveLength(2);
    releases[1]!();
    expect(JSON.parse((await late).body).stockQuantity).toBe(9);
    releases[0]!();
    await early;
    // The slow read of the older number did not take its place.
    expect(await stockOf()).toBe(9);
  });

  it('answers what it has, marked stale and with its age, while the database refuses connections', async () => {
    const before = await get();
    answer = away;
    await pass(10_000);
    const { body, ageSeconds, etag } = await get();
    expect([JSON.parse(body), ageSeconds]).toMatchObject([{ stockQuantity: 10, sellableQuantity: 1, stale: true }, 10]);
    expect(etag).not.toBe(before.etag);
    await expect(get('acme:B')).rejects.toThrow('gone');
  });

  it('lets one reader wait for a silent database, for less than a second, and no other after that', async () => {
    await get();
    answer = silent;
    await pass(1000);
    const waiting = cache.get('acme:A');
    const unknown = cache.get('acme:B');
    unknown.catch(() => undefined);
    await pass(800);
    expect((await waiting).ageSeconds).toBe(1);
    await expect(unknown).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    for (let second = 0; second < 10; second++) {
      expect((await get()).ageSeconds).toBe(1 + second);
      await pass(1000);
    }
    expect(asked().length).toBeLessThan(25);
  });

  it('is fresh again half a second after the database is back', async () => {
    await get();
    answer = away;
    await pass(1000);
    expect((await get()).ageSeconds).toBe(1);
    answer = () => Promise.resolve([readOf('acme:A', 3)]);
    await pass(600);
    await get();
    expect(await stockOf()).toBe(3);
    expect((await get()).ageSeconds).toBeUndefined();
  });

  it('tells a failure that is not the database being away', async () => {
    await get();
    await pass(1000);
    answer = () => Promise.reject(new Error('a bug'));
    await expect(get()).rejects.toThrow('a bug');
  });

  it('keeps nothing of what does not exist, and does not keep what ceased to', async () => {
    await expect(get('acme:X')).rejects.toMatchObject({ code: 'PRODUCT_NOT_FOUND' });
    stock['acme:X'] = 1;
    expect(await stockOf('acme:X')).toBe(1);
  });

  it('takes from the second level what another process has just read, and leaves there what it read', async () => {
    shared.read.mockResolvedValueOnce(new Map([['acme:A', readOf('acme:A', 7)]]));
    const both = [cache.get('acme:A'), cache.get('acme:B')];
    await pass(0);
    expect((await Promise.all(both)).map(({ body }) => JSON.parse(body).stockQuantity)).toEqual([7, 20]);
    expect(asked()).toEqual([['acme:B']]);
    expect(shared.write).toHaveBeenCalledWith([readOf('acme:B', 20)], 400);
  });
});
