import { randomBytes } from 'node:crypto';
import type { CatalogueItem } from '../../src/simulator/simulator';
import { ApiClient } from './client';
import { createDatabase, type TestDatabase } from './database';
import { type AppProcess, errorLines, freePort, ready, startProcess } from './processes';
import { startVendor, type TestVendor } from './vendor';
import { waitFor } from './wait';

const STOCK_MS_MAX = 10_000;

export interface FleetOptions {
  apis: number;
  /** What each vendor has. */
  catalogues: Record<string, CatalogueItem[]>;
  syncIntervalMs: number;
  maxConcurrentOrders?: number;
  env?: Record<string, string>;
}

/** Several api processes and a worker over one database, and vendors they know, whose stock has been fetched. */
export interface Fleet {
  database: TestDatabase;
  apiKey: string;
  apis: AppProcess[];
  worker: AppProcess;
  vendors: TestVendor[];
  /** Of the first api process. */
  client: ApiClient;
  /** Starts an api process in the place, and on the port, of one that is gone. */
  restart(index: number): Promise<void>;
  /** What any process printed so far that is an error. */
  errorsLogged(): string[];
  stop(): Promise<void>;
}

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { catalogues, env = {} } = options;
  const database = await createDatabase();
  const apiKey = `test-${randomBytes(16).toString('hex')}`;
  const common = { DATABASE_URL: database.url, ADMIN_API_KEY: apiKey, LOG_LEVEL: 'warn', ...env };
  const vendors = await Promise.all(
    Object.entries(catalogues).map(([vendorId, catalogue]) => startVendor(vendorId, catalogue)),
  );
  const ports = await Promise.all(Array.from({ length: options.apis }, freePort));
  const startApi = (port: number): Promise<AppProcess> => startProcess('api', { ...common, PORT: String(port) });
  const apis = await Promise.all(ports.map(startApi));
  const worker = await startProcess('worker', { ...common, WORKER_PORT: String(await freePort()) });
  const client = new ApiClient(apis[0]!.url, apiKey);
  const gone: AppProcess[] = [];
  const fleet: Fleet = {
    database,
    apiKey,
    apis,
    worker,
    vendors,
    client,
    restart: async (index) => {
      gone.push(apis[index]!);
      apis[index] = await startApi(ports[index]!);
      await ready(apis[index]);
    },
    errorsLogged: () => [...gone, ...apis, worker].flatMap((app) => errorLines(app.output())),
    stop: async () => {
      await Promise.all([...apis, worker].map((app) => app.stop()));
      await Promise.all(vendors.map((vendor) => vendor.stop()));
      await database.drop();
    },
  };
  await Promise.all([...apis, worker].map(ready));
  await fetchStock(fleet, options);
  return fleet;
}

async function fetchStock({ client, database, vendors, worker }: Fleet, options: FleetOptions): Promise<void> {
  const { catalogues, syncIntervalMs, maxConcurrentOrders } = options;
  for (const { vendorId, baseUrl } of vendors) {
    const vendor = { name: vendorId, kind: 'rest', baseUrl, syncIntervalMs, maxConcurrentOrders };
    const { status } = await client.put(`/v1/vendors/${vendorId}`, vendor);
    if (status !== 201) throw new Error(`${vendorId} was not registered: ${status}`);
  }
  const wanted = Object.values(catalogues).flat().length;
  const listed = async (): Promise<boolean> => {
    const [{ count }] = await database.dataSource.query('SELECT count(*)::integer AS count FROM products');
    return count === wanted;
  };
  await waitFor(listed, {
    withinMs: STOCK_MS_MAX,
    what: () => `the vendors' stock; the worker printed:\n${worker.output()}`,
  });
}

/** Products whose counter is not the sum of their open holds, at one moment. */
export function miscounted({ dataSource }: Pick<TestDatabase, 'dataSource'>): Promise<unknown[]> {
  return dataSource.query(
    `SELECT p.product_id, p.reserved_quantity AS reserved, COALESCE(sum(o.quantity), 0)::integer AS held
     FROM products p LEFT JOIN orders o
       ON o.vendor_id = p.vendor_id AND o.product_id = p.product_id AND o.hold_state IN ('held', 'acknowledged')
     GROUP BY p.vendor_id, p.product_id HAVING p.reserved_quantity <> COALESCE(sum(o.quantity), 0)`,
  );
}
