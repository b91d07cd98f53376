import { randomBytes } from 'node:crypto';
import { ApiClient } from './client';
import { type AppProcess, freePort, ready, startProcess } from './processes';
import { catalogueOf, startVendor, type TestVendor } from './vendor';
import { waitFor } from './wait';

const ADMIN_API_KEY = `test-${randomBytes(16).toString('hex')}`;
/** Of each product of the vendor. */
export const STOCK = 50;

/** An api and a worker process over one database, and a vendor they know. */
export interface Installation {
  api: AppProcess;
  worker: AppProcess;
  client: ApiClient;
  vendor: TestVendor;
  adminApiKey: string;
  stop(): Promise<void>;
}

export async function install(
  databaseUrl: string,
  env: Record<string, string>,
  syncIntervalMs: number,
): Promise<Installation> {
  const common = { DATABASE_URL: databaseUrl, ADMIN_API_KEY, RETRY_DELAY_MS_MAX: '2000', LOG_LEVEL: 'warn', ...env };
  const vendor = await startVendor('acme', catalogueOf(20, STOCK));
  const api = await startProcess('api', { ...common, PORT: String(await freePort()) });
  const worker = await startProcess('worker', { ...common, WORKER_PORT: String(await freePort()) });
  const client = new ApiClient(api.url, ADMIN_API_KEY);
  await Promise.all([ready(api), ready(worker)]);
  const registered = await client.put('/v1/vendors/acme', {
    name: 'Acme',
    kind: 'rest',
    baseUrl: vendor.baseUrl,
    syncIntervalMs,
  });
  expect(registered.status).toBe(201);
  await waitFor(async () => (await client.get('/v1/products/acme:A-1')).body.stockQuantity === STOCK, {
    withinMs: 10_000,
    what: () => `the stock of the vendor; the worker printed:\n${worker.output()}`,
  });
  const stop = async (): Promise<void> => {
    await Promise.all([api.stop(), worker.stop()]);
    await vendor.stop();
  };
  return { api, worker, client, vendor, adminApiKey: ADMIN_API_KEY, stop };
}

export async function completed({ client }: Installation, count: number, withinMs: number): Promise<void> {
  await waitFor(async () => (await client.get('/v1/orders?status=completed&limit=200')).body.items.length === count, {
    withinMs,
    what: `${count} orders to complete`,
  });
}
