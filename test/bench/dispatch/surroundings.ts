import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator } from '../../../src/simulator/simulator';
import { ApiClient } from '../../support/client';
import { canStartBroker, type PrivateBroker, privateBroker } from '../../support/rabbitmq';
import { waitFor } from '../../support/wait';
import type { StopSteps, Testbed } from '../testbed';

/** Whose orders are measured. */
export const VENDORS = ['swift-a', 'swift-b', 'swift-c'];
/** Another one, whose orders are in nobody's way. */
export const BESIDE = 'beside';
/** Of each vendor at once; one worker opens no more consumers. */
export const ORDERS_AT_ONCE = 8;
/** What the simulated vendors take to accept an order. */
export const ANSWER_MS = 5;
const PRODUCTS = 100;
const STOCK = 1_000_000_000;
const SYNC_MS_MAX = 30_000;

/** What the steps of the section work with: the vendors live in the bench's own process, which does nothing meanwhile. */
export interface Surroundings {
  testbed: Testbed;
  broker: PrivateBroker;
  productIds: (vendorIds: string[]) => string[];
  /** How long the vendor takes to answer an order. */
  answersIn: (vendorId: string, latencyMs: number) => Promise<void>;
}

export async function openSurroundings(testbed: Testbed, stopSteps: StopSteps): Promise<Surroundings> {
  if (!canStartBroker()) throw new Error('This section needs an installed rabbitmq-server.');
  // Nobody answers for the vendors of the other sections.
  await testbed.database.query('UPDATE vendors SET enabled = false');
  const broker = await privateBroker();
  stopSteps.push(() => broker.remove());
  const baseUrls = await startVendors(stopSteps);
  const operator = new ApiClient(testbed.apis[0].url, testbed.adminApiKey);
  for (const [vendorId, baseUrl] of baseUrls) await register(operator, vendorId, baseUrl);
  await testbed.startWorker({ RABBITMQ_URL: broker.url });
  await waitFor(async () => (await countProducts(testbed)) === baseUrls.size * PRODUCTS, {
    withinMs: SYNC_MS_MAX,
    what: 'the products of all vendors',
  });
  const surroundings: Surroundings = {
    testbed,
    broker,
    productIds: (vendorIds) => vendorIds.flatMap((vendorId) => skus().map((sku) => `${vendorId}:${sku}`)),
    answersIn: (vendorId, latencyMs) => answersIn(baseUrls.get(vendorId)!, latencyMs),
  };
  for (const vendorId of baseUrls.keys()) await surroundings.answersIn(vendorId, ANSWER_MS);
  return surroundings;
}

async function startVendors(stopSteps: StopSteps): Promise<Map<string, string>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-vendors-'));
  stopSteps.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const catalogue = skus().map((sku) => ({ sku, name: `Article ${sku}`, quantity: STOCK, price: '19.99' }));
  const simulator = await startSimulator({
    host: '127.0.0.1',
    port: 0,
    dataDir,
    vendors: [...VENDORS, BESIDE].map((vendorId) => ({ vendorId, name: vendorId, catalogue })),
  });
  stopSteps.push(() => simulator.stop());
  return new Map(simulator.vendors.map(({ vendorId, baseUrl }) => [vendorId, baseUrl]));
}

async function register(operator: ApiClient, vendorId: string, baseUrl: string): Promise<void> {
  const { status, body } = await operator.put(`/v1/vendors/${vendorId}`, {
    name: vendorId,
    kind: 'rest',
    baseUrl,
    maxConcurrentOrders: ORDERS_AT_ONCE,
  });
  if (status !== 201) throw new Error(`${vendorId} was not registered: ${JSON.stringify(body)}`);
}

async function answersIn(baseUrl: string, latencyMs: number): Promise<void> {
  const { ok } = await fetch(`${baseUrl}/_faults`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(latencyMs > 0 ? { latency: { ms: latencyMs, operation: 'order' } } : {}),
  });
  if (!ok) throw new Error(`The latency of ${baseUrl} was not set.`);
}

async function countProducts({ database }: Testbed): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM products WHERE vendor_id = ANY($1)',
    [[...VENDORS, BESIDE]],
  );
  return rows[0]!.count;
}

function skus(): string[] {
  return Array.from({ length: PRODUCTS }, (_, index) => `SKU-${index}`);
}
