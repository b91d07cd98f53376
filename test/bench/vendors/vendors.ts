import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ApiClient } from '../../support/client';
import { canStartBroker, privateBroker } from '../../support/rabbitmq';
import { waitFor } from '../../support/wait';
import type { AppProcess } from '../app-process';
import { residentBytesOf } from '../cpu';
import { figure, type Report, type Table } from '../report';
import { spreadOf } from '../statistics';
import type { StopSteps, Testbed } from '../testbed';

const COUNTS = [1, 100, 1_000];
const TRANSPORTS = ['embedded', 'RabbitMQ'] as const;
type Transport = (typeof TRANSPORTS)[number];
/** Requests under way at once while vendors are registered and ordered from. */
const AT_ONCE = 16;
/** Orders whose way is measured one by one, each the first of its vendor. */
const FIRST_ORDERS = 10;
const SETTLED_MS_MAX = 600_000;
const MIB = 2 ** 20;
/** What is aimed at with 1,000 idle vendors. */
const AIMS = { idleCpuPercent: 5, residentMiB: 250, metricsBytes: 1_000_000 };

/** What one worker needs for so many vendors, which it polls once a minute. */
interface Measured {
  transport: Transport;
  vendors: number;
  polledMs: number;
  idleCpuPercent: number;
  idlePostgresCpuPercent: number;
  residentMiB: number;
  metricsBytes: number;
  metricsMs: number;
  /** From placed to completed. */
  firstOrderMs: number[];
  allOrderedMs: number;
  busyMetricsBytes: number;
  busyResidentMiB: number;
  stopMs: number;
}

interface Case {
  testbed: Testbed;
  operator: ApiClient;
  vendorIds: string[];
  baseUrl: string;
  seconds: number;
}

/** What vendors cost while they have nothing to do, and how soon each is served. */
export async function benchVendors(
  testbed: Testbed,
  stopSteps: StopSteps,
  { seconds, vendors }: { seconds: number; vendors: number },
): Promise<Report> {
  const baseUrl = await startVendors(stopSteps);
  const measured: Measured[] = [];
  for (const transport of TRANSPORTS) {
    if (transport === 'RabbitMQ' && !canStartBroker()) {
      console.log('RabbitMQ is left out: there is no installed rabbitmq-server.');
      continue;
    }
    for (const count of COUNTS.filter((each) => each <= vendors)) {
      const vendorIds = Array.from({ length: count }, (_, index) => `vendor-${index}`);
      const operator = new ApiClient(testbed.apis[0].url, testbed.adminApiKey);
      measured.push(await measure(transport, { testbed, operator, vendorIds, baseUrl, seconds }));
      console.log(JSON.stringify(measured.at(-1)));
    }
  }
  return { tables: [idle(measured), served(measured)], data: measured };
}

async function measure(transport: Transport, each: Case): Promise<Measured> {
  const { testbed, vendorIds } = each;
  await testbed.database.query(
    'TRUNCATE orders, order_events, dispatch_attempts, outbox, idempotency_keys, products, vendors CASCADE',
  );
  const broker = transport === 'RabbitMQ' ? await privateBroker() : undefined;
  try {
    const worker = await testbed.startWorker(broker ? { RABBITMQ_URL: broker.url } : {});
    const polledMs = await timed(() => register(each));
    const quiet = await whileIdle(each, worker);
    const scrape = await scraped(worker);
    const firstOrderMs: number[] = [];
    for (const vendorId of vendorIds.slice(0, FIRST_ORDERS)) {
      firstOrderMs.push(await timed(() => order(each, [vendorId])));
    }
    const allOrderedMs = await timed(() => order(each, vendorIds));
    const busy = await scraped(worker);
    const busyResidentMiB = residentMiB(worker);
    const stopMs = await timed(() => worker.stop());
    return {
      transport,
      vendors: vendorIds.length,
      polledMs,
      ...quiet,
      ...scrape,
      firstOrderMs,
      allOrderedMs,
      busyMetricsBytes: busy.metricsBytes,
      busyResidentMiB,
      stopMs,
    };
  } finally {
    await broker?.remove();
  }
}

async function startVendors(stopSteps: StopSteps): Promise<string> {
  const program = join(__dirname, 'many-vendors.ts');
  const child = fork(join(__dirname, '..', '..', 'support', 'run-typescript.cjs'), [program]);
  stopSteps.push(() => child.disconnect());
  const [url] = (await once(child, 'message')) as [string];
  return url;
}

/** Until each has been polled. */
async function register({ testbed, operator, vendorIds, baseUrl }: Case): Promise<void> {
  await forEach(vendorIds, async (vendorId) => {
    const vendor = { name: vendorId, kind: 'rest', baseUrl: `${baseUrl}/${vendorId}`, maxConcurrentOrders: 4 };
    const { status, body } = await operator.put(`/v1/vendors/${vendorId}`, vendor);
    if (status !== 201) throw new Error(`${vendorId} was not registered: ${JSON.stringify(body)}`);
  });
  await until(testbed, 'SELECT count(*)::integer AS count FROM products', vendorIds.length, 'each product');
}

/** One of each; until all are completed. */
async function order({ testbed, vendorIds: _, ...rest }: Case, vendorIds: string[]): Promise<void> {
  const client = new ApiClient(testbed.apis[0].url, testbed.apiKey);
  const placed: string[] = [];
  await forEach(vendorIds, async (vendorId) => {
    const { status, body } = await client.post('/v1/orders', { productId: `${vendorId}:A`, quantity: 1 });
    if (status !== 201) throw new Error(`No order at ${vendorId} of ${rest.baseUrl}: ${JSON.stringify(body)}`);
    placed.push(body.orderId as string);
  });
  const statement = `SELECT count(*)::integer AS count FROM orders WHERE status = 'completed' AND order_id = ANY ($1)`;
  await until(testbed, statement, placed.length, 'each order', [placed]);
}

async function whileIdle({ testbed, seconds }: Case, worker: AppProcess) {
  const before = testbed.cpuSeconds([worker]);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = testbed.cpuSeconds([worker]);
  const percent = (of: 'api' | 'postgres') => (before && after ? (100 * (after[of] - before[of])) / seconds : NaN);
  return {
    idleCpuPercent: percent('api'),
    idlePostgresCpuPercent: percent('postgres'),
    residentMiB: residentMiB(worker),
  };
}

async function scraped(worker: AppProcess): Promise<{ metricsBytes: number; metricsMs: number }> {
  let metricsBytes = 0;
  const metricsMs = await timed(async () => {
    metricsBytes = (await (await fetch(`${worker.url}/metrics`)).arrayBuffer()).byteLength;
  });
  return { metricsBytes, metricsMs };
}

function residentMiB({ pid }: AppProcess): number {
  return (residentBytesOf(pid) ?? NaN) / MIB;
}

async function until(testbed: Testbed, statement: string, wanted: number, what: string, values?: unknown[]) {
  const count = async () => (await testbed.database.query<{ count: number }>(statement, values)).rows[0]!.count;
  await waitFor(async () => (await count()) === wanted, { withinMs: SETTLED_MS_MAX, what });
}

async function forEach<Item>(items: Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const take = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function idle(measured: Measured[]): Table {
  const { idleCpuPercent, residentMiB: mib, metricsBytes } = AIMS;
  return {
    title:
      `One worker whose vendors have no orders, each polled once a minute ` +
      `(aims: CPU < ${idleCpuPercent} % of a core, < ${mib} MiB, /metrics < ${figure(metricsBytes)} bytes)`,
    columns: ['vendors', 'all polled, s', 'CPU, %', 'PostgreSQL, %', 'MiB', '/metrics, bytes', 'in ms'],
    rows: measured.map((each) => [
      `${each.transport}, ${figure(each.vendors)}`,
      figure(each.polledMs / 1000, 1),
      figure(each.idleCpuPercent, 1),
      figure(each.idlePostgresCpuPercent, 1),
      figure(each.residentMiB),
      figure(each.metricsBytes),
      figure(each.metricsMs),
    ]),
  };
}

function served(measured: Measured[]): Table {
  return {
    title: 'The first order of a vendor, one order of each at once, and a stop after that',
    columns: ['vendors', 'first order, ms', 'longest', 'all ordered, s', '/metrics, bytes', 'MiB', 'stop, s'],
    rows: measured.map((each) => [
      `${each.transport}, ${figure(each.vendors)}`,
      figure(spreadOf(each.firstOrderMs).median),
      figure(spreadOf(each.firstOrderMs).max),
      figure(each.allOrderedMs / 1000, 1),
      figure(each.busyMetricsBytes),
      figure(each.busyResidentMiB),
      figure(each.stopMs / 1000, 1),
    ]),
  };
}
