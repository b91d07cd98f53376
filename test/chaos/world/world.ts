import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { demoVendors } from '../../../src/simulator/simulator';
import { ApiClient } from '../../support/client';
import { newDataDir } from '../../support/data-dir';
import { freePort } from '../../support/ports';
import { type PrivateBroker, privateBroker } from '../../support/rabbitmq';
import { waitFor } from '../../support/wait';
import { PLENTY_QUANTITY, PREFIX, PRODUCTS_BOUGHT, SCARCE_QUANTITY, SETTINGS, VENDOR } from '../settings';
import { VendorCounter } from './counter';
import { ChaosDatabase } from './database';
import { KeptAlive } from './kept-alive';
import { Vendors } from './vendors';
import { Wire } from './wire';

const STOCK_MS_MAX = 30_000;
const READY_MS_MAX = 60_000;

/** How to undo what was started, the last first. */
export type StopSteps = (() => Promise<unknown> | void)[];

/** Every part an installation has in production, each a process of its own, with a wire between any two of them. */
export interface World {
  database: ChaosDatabase;
  broker: PrivateBroker;
  brokerPort: number;
  /** Where the broker tells Prometheus of itself. */
  brokerMetricsUrl: string;
  apis: KeptAlive[];
  workers: KeptAlive[];
  vendorsProcess: KeptAlive;
  vendors: Vendors;
  counter: VendorCounter;
  apiKey: string;
  /** Of the first API. */
  client: ApiClient;
  /** What buyers buy, by vendor. */
  productIds: string[];
  processes: KeptAlive[];
  /** Marks of the messages that nobody can read and that the broker took. */
  poisoned: string[];
}

export async function startWorld(stopSteps: StopSteps): Promise<World> {
  const metricsPort = await freePort();
  const broker = await privateBroker({ metricsPort });
  stopSteps.push(() => broker.remove());
  const database = await ChaosDatabase.start();
  stopSteps.push(() => database.remove());

  const apiKey = `chaos-${randomBytes(16).toString('hex')}`;
  const brokerPort = Number(new URL(broker.url).port);
  // As under `npm start`: they end with this process, even when that is killed.
  const common = { ADMIN_API_KEY: apiKey, RABBITMQ_PREFIX: PREFIX, npm_lifecycle_event: 'start', ...SETTINGS };
  const wire = async (): Promise<Wire> => {
    const laid = await Wire.listen();
    stopSteps.push(() => laid.close());
    return laid;
  };
  const vendorsDir = newDataDir('chaos-vendors');
  stopSteps.push(() => rmSync(dirname(vendorsDir), { recursive: true, force: true }));
  const vendorsPort = await freePort();
  const vendorsProcess = new KeptAlive('vendors', 'vendors', {
    ...common,
    HOLDFAST_DATA_DIR: vendorsDir,
    VENDORS_PORT: String(vendorsPort),
  });
  const counter = await VendorCounter.listen(vendorsPort);
  stopSteps.push(() => counter.close());

  const processOf = async (mode: 'api' | 'worker', number: number): Promise<KeptAlive> => {
    const wires = { database: await wire(), broker: await wire() };
    database.join(wires.database);
    wires.broker.forwardTo(brokerPort);
    return new KeptAlive(
      `${mode} ${number}`,
      mode,
      {
        ...common,
        DATABASE_URL: wires.database.urlBy(database.url),
        RABBITMQ_URL: wires.broker.urlBy(broker.url),
        [mode === 'api' ? 'PORT' : 'WORKER_PORT']: String(await freePort()),
      },
      wires,
    );
  };
  const apis = [await processOf('api', 1), await processOf('api', 2)];
  const workers = [await processOf('worker', 1), await processOf('worker', 2)];
  const processes = [vendorsProcess, ...apis, ...workers];
  for (const each of processes) stopSteps.push(() => each.stop());
  for (const each of processes) await each.start();

  const world: World = {
    database,
    broker,
    brokerPort,
    brokerMetricsUrl: `http://127.0.0.1:${metricsPort}`,
    apis,
    workers,
    vendorsProcess,
    vendors: new Vendors(`http://127.0.0.1:${vendorsPort}`),
    counter,
    apiKey,
    client: new ApiClient(apis[0]!.url, apiKey),
    productIds: demoVendors.flatMap(({ vendorId, catalogue }) =>
      catalogue.slice(0, PRODUCTS_BOUGHT).map(({ sku }) => `${vendorId}:${sku}`),
    ),
    processes,
    poisoned: [],
  };
  await allReady(world);
  await registerVendors(world);
  await restock(world);
  return world;
}

/** Rejects when some process does not become ready by itself. */
export async function allReady({ apis, workers }: World): Promise<void> {
  const obstacles = async (): Promise<string[]> => {
    const found = await Promise.all(
      [...apis, ...workers].map(async ({ name, url }) => {
        const answer = await fetch(`${url}/health/ready`).catch((error: Error) => error);
        return answer instanceof Response && answer.ok
          ? []
          : [`${name}: ${answer instanceof Error ? answer.message : await answer.text()}`];
      }),
    );
    return found.flat();
  };
  let last: string[] = [];
  await waitFor(async () => (last = await obstacles()).length === 0, {
    withinMs: READY_MS_MAX,
    what: () => `every process to be ready: ${last.join('; ')}`,
  });
}

/** As `VENDOR` says, unless `more` says otherwise; asks until an API has done it. */
export async function registerVendors({ client, counter }: World, more: object = {}): Promise<void> {
  for (const { vendorId, name, dialect = 'rest' } of demoVendors) {
    const baseUrl = `http://127.0.0.1:${counter.port}/${vendorId}`;
    const vendor = { name, kind: dialect, baseUrl, ...VENDOR, ...more };
    let answer: unknown;
    const registered = async (): Promise<boolean> => {
      const { status, body } = await client.put(`/v1/vendors/${vendorId}`, vendor);
      answer = body;
      return status <= 201;
    };
    await waitFor(registered, {
      withinMs: READY_MS_MAX,
      what: () => `${vendorId} to be registered: ${JSON.stringify(answer)}`,
    });
  }
}

/** One product of each vendor is scarce, so that buyers are refused and the last unit is fought for. */
export async function restock({ vendors, productIds, database }: World): Promise<void> {
  const quantities = productIds.map((_, index) => (index % PRODUCTS_BOUGHT === 0 ? SCARCE_QUANTITY : PLENTY_QUANTITY));
  for (const [index, productId] of productIds.entries()) await vendors.setStock(productId, quantities[index]!);
  const listed = async (): Promise<boolean> => {
    const different = await database.rows(
      `SELECT FROM unnest($1::text[], $2::integer[]) AS wanted (product_id, quantity)
       LEFT JOIN products USING (product_id) WHERE quantity IS DISTINCT FROM vendor_quantity`,
      [productIds, quantities],
    );
    return different.length === 0;
  };
  await waitFor(listed, { withinMs: STOCK_MS_MAX, what: 'the vendors’ stock to be polled' });
}
