import { type Answer, ApiClient, type Json } from '../support/client';
import { type OwnDatabase, startOwnDatabase } from '../support/own-database';
import { type AppProcess, freePort, ready, startProcess } from '../support/processes';
import { waitFor } from '../support/wait';

const ADMIN_API_KEY = 'product-reads-test-admin';
const WITHIN_MS = 1000;

let database: OwnDatabase;
let apis: AppProcess[];
/** With a key that the database knows, not the administrator's. */
let clients: ApiClient[];

beforeAll(async () => {
  database = await startOwnDatabase();
  await database.query(
    `INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms,
                          synced_at, stale_stock_policy, stale_stock_buffer)
     VALUES ('acme', 'Acme', 'rest', 'http://127.0.0.1:9', true, 4, 0, 0, now(), 'buffer', 3)`,
  );
  await database.query(
    `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
     SELECT 'acme', 'acme:' || n, n, 'Article ' || n, 1, 1000, now(), now() FROM generate_series(1, 50) n`,
  );
  const env = { DATABASE_URL: database.url, ADMIN_API_KEY, LOG_LEVEL: 'fatal', STOCK_SYNC_INTERVAL_MS: '60000' };
  apis = await Promise.all(
    [await freePort(), await freePort()].map((port) => startProcess('api', { ...env, PORT: String(port) })),
  );
  await Promise.all(apis.map(ready));
  const { body } = await new ApiClient(apis[0]!.url, ADMIN_API_KEY).post('/v1/api-keys', {
    name: 'reader',
    scopes: ['catalog:read', 'orders:write', 'orders:read'],
  });
  clients = apis.map(({ url }) => new ApiClient(url, body.key));
});

afterAll(async () => {
  await Promise.all((apis ?? []).map((api) => api.stop()));
  await database?.remove();
});

const get = (id: string, headers: Record<string, string> = {}): Promise<Answer<Json>> =>
  clients[0]!.call('GET', `/v1/products/acme:${id}`, undefined, headers);

describe('a single product', () => {
  it('has a strong tag that is the same in every process, and changes with any of its fields', async () => {
    const [mine, other] = await Promise.all(clients.map((client) => client.get('/v1/products/acme:1')));
    expect(mine!.headers.get('etag')).toMatch(/^"[\w-]+"$/);
    expect(other!.headers.get('etag')).toBe(mine!.headers.get('etag'));
    expect(mine!.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(mine!.headers.get('age')).toBeNull();
    await database.query(`UPDATE products SET name = 'Renamed' WHERE product_id = 'acme:1'`);
    await waitFor(async () => (await get('1')).body.name === 'Renamed', { withinMs: WITHIN_MS, what: 'the new name' });
    expect((await get('1')).headers.get('etag')).not.toBe(mine!.headers.get('etag'));
  });

  it('is answered 304 without a body to whoever knows it, however the tag is written', async () => {
    const etag = (await get('2')).headers.get('etag')!;
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, `"a,b" ,W/"x",${etag}`, '*']) {
      const answer = await get('2', { 'if-none-match': known });
      expect([known, answer.status, answer.body, answer.headers.get('etag')]).toEqual([known, 304, undefined, etag]);
    }
    for (const unknown of ['"other"', etag.slice(1, -1), `"${etag}`.slice(0, 5), '']) {
      expect([unknown, (await get('2', { 'if-none-match': unknown })).status]).toEqual([unknown, 200]);
    }
    expect((await get('none', { 'if-none-match': '*' })).status).toBe(404);
  });

  it('is asked for with HEAD as with GET', async () => {
    const { headers } = await get('2');
    const head = await fetch(`${apis[0]!.url}/v1/products/acme:2`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${ADMIN_API_KEY}` },
    });
    expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, headers.get('etag'), '']);
  });

  it('shows in every process within a second what an order at one of them has reserved', async () => {
    await Promise.all(clients.map((client) => client.get('/v1/products/acme:3')));
    expect((await clients[0]!.post('/v1/orders', { productId: 'acme:3', quantity: 7 })).status).toBe(201);
    const showsIt = async (): Promise<boolean> => {
      const answers = await Promise.all(clients.map((client) => client.get('/v1/products/acme:3')));
      return answers.every(({ body }) => body.reservedQuantity === 7 && body.stockQuantity === 993);
    };
    await waitFor(showsIt, { withinMs: WITHIN_MS, what: 'the reservation in every process' });
  });

  it('tells how old it is while its vendor is away, and what is sold meanwhile', async () => {
    await database.query(`UPDATE vendors SET synced_at = now() - interval '300 seconds'`);
    await waitFor(async () => (await get('4')).body.stale === true, { withinMs: WITHIN_MS, what: 'it to be stale' });
    const { body, headers } = await get('4');
    expect(body).toMatchObject({ stockQuantity: 1000, sellableQuantity: 997 });
    expect(Number(headers.get('age'))).toBeGreaterThanOrEqual(300);
    expect(Number(headers.get('age'))).toBeLessThan(330);
    await database.query(`UPDATE vendors SET synced_at = now()`);
  });
});

describe('while the database is stopped', () => {
  /** What is asked, all the time until the test has seen enough. */
  const timed = async (work: () => Promise<Answer<Json>>): Promise<Answer<Json> & { tookMs: number }> => {
    const startedAt = performance.now();
    const answer = await work();
    return { ...answer, tookMs: performance.now() - startedAt };
  };

  let before: Answer<Json>;

  beforeAll(async () => {
    await database.query(`UPDATE vendors SET synced_at = now()`);
    await waitFor(async () => (await get('5')).body.stale === false, { withinMs: WITHIN_MS, what: 'a fresh picture' });
    before = await get('5');
    await database.stop();
  });

  it('answers what was read before, marked stale, with its age, and a tag of its own', async () => {
    await waitFor(async () => (await get('5')).body.stale === true, { withinMs: WITHIN_MS, what: 'it to be stale' });
    await waitFor(async () => Number((await get('5')).headers.get('age')) >= 2, { withinMs: 5000, what: 'it to age' });
    const { status, body, headers, tookMs } = await timed(() => get('5'));
    expect([status, body]).toEqual([200, { ...before.body, stale: true, sellableQuantity: 997 }]);
    expect(headers.get('age')).toMatch(/^\d+$/);
    expect(headers.get('etag')).not.toBe(before.headers.get('etag'));
    expect((await get('5', { 'if-none-match': headers.get('etag')! })).status).toBe(304);
    expect(tookMs).toBeLessThan(WITHIN_MS);
  });

  it('answers everything else 503 in under a second, with keys that were verified before', async () => {
    const { url } = clients[0]!;
    const order = () => clients[0]!.post('/v1/orders', { productId: 'acme:5', quantity: 1 });
    const lines = [{ productId: 'acme:6', quantity: 1 }];
    const crowd = [
      ...Array.from({ length: 30 }, () => order),
      () => clients[0]!.get('/v1/products/acme:40'),
      () => clients[0]!.get('/v1/products'),
      () => clients[0]!.get('/v1/orders'),
      () => clients[0]!.get('/v1/orders/01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d'),
      () => clients[0]!.get('/v1/vendors/acme'),
      () => clients[0]!.post('/v1/checkouts', { lines }),
      () => new ApiClient(url, 'never-seen-before').get('/v1/products/acme:5'),
    ];
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(crowd.map((work) => timed(work)));
      for (const { status, body, headers, tookMs } of answers) {
        expect([status, body.code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
        expect(headers.get('retry-after')).toMatch(/^\d+$/);
        expect(tookMs).toBeLessThan(WITHIN_MS);
      }
    }
  });

  it('is fresh again by itself afterwards', async () => {
    await database.start();
    await database.query(`UPDATE vendors SET synced_at = now()`);
    await waitFor(async () => (await get('5')).body.stale === false, { withinMs: 10_000, what: 'it to be fresh' });
    expect((await get('5')).headers.get('age')).toBeNull();
    expect((await clients[0]!.post('/v1/orders', { productId: 'acme:5', quantity: 1 })).status).toBe(201);
  });
});
