import { ApiClient } from '../support/client';
import { newDataDir, removeDataDir } from '../support/data-dir';
import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install, STOCK } from '../support/installation';
import { type Metrics, scrape, valueOf } from '../support/metrics';
import { freePort, ready, startProcess } from '../support/processes';
import { waitFor } from '../support/wait';

const WITHIN_MS = 15_000;

/** Names, types and labels are promised: dashboards and alerts of others are built on them. */
const OF_EVERY_PROCESS: Record<string, [type: string, labels: string[]]> = {
  http_request_duration_seconds: ['histogram', ['method', 'route', 'status']],
  holdfast_placement_batch_size: ['histogram', []],
  holdfast_message_wait_seconds: ['histogram', ['vendor']],
  holdfast_message_processing_seconds: ['histogram', ['outcome', 'vendor']],
  holdfast_vendor_request_duration_seconds: ['histogram', ['operation', 'vendor']],
  holdfast_stock_sync_duration_seconds: ['histogram', ['vendor']],
  holdfast_orders_placed_total: ['counter', ['result', 'vendor']],
  holdfast_vendor_requests_total: ['counter', ['operation', 'outcome', 'vendor']],
  holdfast_stock_sync_rows_total: ['counter', ['result', 'vendor']],
  holdfast_sweeper_reemitted_total: ['counter', []],
  holdfast_db_pool_connections: ['gauge', ['state']],
  holdfast_vendor_breaker_state: ['gauge', ['operation', 'vendor']],
};
const OF_WHAT_IS_SHARED: Record<string, [type: string, labels: string[]]> = {
  holdfast_outbox_pending: ['gauge', []],
  holdfast_outbox_oldest_seconds: ['gauge', []],
  holdfast_queue_depth: ['gauge', ['vendor']],
  holdfast_queue_oldest_seconds: ['gauge', ['vendor']],
  holdfast_stock_age_seconds: ['gauge', ['vendor']],
  holdfast_stock_last_success_timestamp_seconds: ['gauge', ['vendor']],
  holdfast_stock_sync_interval_seconds: ['gauge', ['vendor']],
  holdfast_dead_letters: ['gauge', ['vendor']],
  holdfast_orders_attention: ['gauge', []],
};

let database: TestDatabase;
let installation: Installation;

beforeAll(async () => {
  database = await createDatabase();
  installation = await install(database.url, {}, 60_000);
});

afterAll(async () => {
  await installation?.stop();
  await database?.drop();
});

const declared = ({ types }: Metrics, names: string[]) => names.map((name) => [name, types.get(name)]);
const typesOf = (promised: typeof OF_EVERY_PROCESS) => Object.entries(promised).map(([name, [type]]) => [name, type]);

function labelsOf({ samples }: Metrics, name: string): string[] {
  const found = samples.find((sample) => [name, `${name}_sum`].includes(sample.name));
  return Object.keys(found?.labels ?? { 'no sample': '' }).toSorted();
}

describe('GET /metrics', () => {
  it('needs no key, and is answered in the format that Prometheus asks for', async () => {
    for (const { url } of [installation.api, installation.worker]) {
      const answer = await fetch(`${url}/metrics`);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        200,
        'text/plain; version=0.0.4; charset=utf-8',
      ]);
    }
  });

  it('declares what is promised in every process, and what all share in workers only', async () => {
    const [api, worker] = [await scrape(installation.api.url), await scrape(installation.worker.url)];
    for (const metrics of [api, worker]) {
      expect(declared(metrics, Object.keys(OF_EVERY_PROCESS))).toEqual(typesOf(OF_EVERY_PROCESS));
      expect(valueOf(metrics, 'process_start_time_seconds')).toBeGreaterThan(0);
      expect(metrics.types.get('nodejs_eventloop_lag_seconds')).toBe('gauge');
    }
    expect(declared(worker, Object.keys(OF_WHAT_IS_SHARED))).toEqual(typesOf(OF_WHAT_IS_SHARED));
    expect(Object.keys(OF_WHAT_IS_SHARED).filter((name) => api.types.has(name))).toEqual([]);
  });

  it('labels what has happened as is promised', async () => {
    await installation.client.post('/v1/orders', { productId: 'acme:A-3', quantity: 1 });
    await completed(installation, 1, WITHIN_MS);
    const promised = { ...OF_EVERY_PROCESS, ...OF_WHAT_IS_SHARED };
    // Told after the order is: the message is settled, and the age counted, a moment later.
    const found = async () => {
      const [api, worker] = [await scrape(installation.api.url), await scrape(installation.worker.url)];
      return Object.keys(promised).map((name) => [
        name,
        labelsOf(api, name).includes('no sample') ? labelsOf(worker, name) : labelsOf(api, name),
      ]);
    };
    const expected = Object.entries(promised).map(([name, [, labels]]) => [name, labels]);
    await waitFor(async () => JSON.stringify(await found()) === JSON.stringify(expected), {
      withinMs: WITHIN_MS,
      what: 'every promised series',
    }).catch(async () => expect(await found()).toEqual(expected));
  });

  it('has one series for a route, whatever stands in its place, and one for all paths that do not exist', async () => {
    const { api, client } = installation;
    const product = { method: 'GET', route: '/v1/products/:productId', status: '200' };
    const count = (metrics: Metrics, labels: Record<string, string>) =>
      valueOf(metrics, 'http_request_duration_seconds_count', labels);
    await client.get('/nothing');
    const before = await scrape(api.url);
    for (let index = 0; index < 1000; index++) await fetch(`${api.url}/${index % 2 ? 'v1/x' : 'y'}${index}?z=${index}`);
    for (let index = 1; index <= 10; index++) await client.get(`/v1/products/acme:A-${index}`);
    const after = await scrape(api.url);
    expect(count(after, { route: '_unknown', status: '404' })).toBe(1001);
    expect(count(after, product)).toBe(count(before, product)! + 10);
    // The first scrape's own may be new.
    expect(after.samples.length - before.samples.length).toBeLessThan(20);
  });

  it('counts orders by what became of them, and names no vendor that a client has made up', async () => {
    const { api, client } = installation;
    const count = async (vendor: string, result: string) =>
      valueOf(await scrape(api.url), 'holdfast_orders_placed_total', { vendor, result }) ?? 0;
    const order = { productId: 'acme:A-2', quantity: 2 };
    const key = { 'idempotency-key': 'metrics' };
    const created = await count('acme', 'created');
    for (let times = 0; times < 3; times++) await client.post('/v1/orders', order, key);
    expect([await count('acme', 'created'), await count('acme', 'replayed')]).toEqual([created + 1, 2]);
    await client.post('/v1/orders', { ...order, quantity: STOCK });
    expect(await count('acme', 'insufficient')).toBe(1);
    const lines = [{ productId: 'acme:A-4', quantity: 1 }, { productId: 'acme:A-5', quantity: 1 }, order];
    await client.post('/v1/checkouts', { lines });
    expect(await count('acme', 'created')).toBe(created + 4);
    for (let index = 0; index < 100; index++)
      await client.post('/v1/orders', { productId: `v-${index}:A`, quantity: 1 });
    await client.post('/v1/orders', { productId: 'acme:nothing', quantity: 1 });
    expect([await count('_unknown', 'rejected'), await count('acme', 'rejected')]).toEqual([100, 1]);
    const { samples } = await scrape(api.url);
    const vendors = samples.flatMap(({ labels }) => labels['vendor'] ?? []);
    expect(new Set(vendors)).toEqual(new Set(['acme', '_unknown']));
    expect(valueOf({ types: new Map(), samples }, 'holdfast_placement_batch_size_sum')).toBeGreaterThan(100);
  });

  it('knows the vendor of an order that another process had placed', async () => {
    const { client, adminApiKey: ADMIN_API_KEY } = installation;
    const key = { 'idempotency-key': 'elsewhere' };
    const order = { productId: 'acme:A-6', quantity: 1 };
    await client.post('/v1/orders', order, key);
    const env = { DATABASE_URL: database.url, ADMIN_API_KEY, LOG_LEVEL: 'warn', PORT: String(await freePort()) };
    const other = await startProcess('api', env);
    await ready(other);
    await new ApiClient(other.url, ADMIN_API_KEY).post('/v1/orders', order, key);
    const metrics = await scrape(other.url);
    await other.stop();
    expect(valueOf(metrics, 'holdfast_orders_placed_total', { vendor: 'acme', result: 'replayed' })).toBe(1);
  });

  it('counts what vendors were asked and what they answered, by operation', async () => {
    const counted = (operation: string) =>
      scrape(installation.worker.url).then((metrics) =>
        valueOf(metrics, 'holdfast_vendor_requests_total', { vendor: 'acme', operation, outcome: 'accepted' }),
      );
    expect(await counted('stock')).toBeGreaterThanOrEqual(1);
    await waitFor(async () => ((await counted('purchase')) ?? 0) >= 5, { withinMs: WITHIN_MS, what: 'the purchases' });
    const metrics = await scrape(installation.worker.url);
    expect(valueOf(metrics, 'holdfast_stock_sync_rows_total', { vendor: 'acme', result: 'changed' })).toBe(20);
    expect(valueOf(metrics, 'holdfast_stock_sync_duration_seconds_count', { vendor: 'acme' })).toBe(1);
  });

  it('is told by all modes, the simulated vendors among them', async () => {
    const dataDir = newDataDir();
    const [all, vendors] = await Promise.all([
      startProcess('all', {
        DATABASE_URL: database.url,
        ADMIN_API_KEY: installation.adminApiKey,
        PORT: String(await freePort()),
      }),
      startProcess('vendors', { HOLDFAST_DATA_DIR: dataDir, VENDORS_PORT: String(await freePort()) }),
    ]);
    try {
      const told = await scrape(all.url);
      for (const promised of [OF_EVERY_PROCESS, OF_WHAT_IS_SHARED])
        expect(declared(told, Object.keys(promised))).toEqual(typesOf(promised));
      expect(valueOf(await scrape(vendors.url), 'process_start_time_seconds')).toBeGreaterThan(0);
    } finally {
      await Promise.all([all, vendors].map((app) => app.stop()));
      removeDataDir(dataDir);
    }
  });
});
