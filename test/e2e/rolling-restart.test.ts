import { setTimeout as pause } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { Balancer } from '../support/balancer';
import { ApiClient } from '../support/client';
import { createDatabase, type TestDatabase } from '../support/database';
import { miscounted } from '../support/fleet';
import { type AppProcess, errorLines, freePort, ready, startProcess } from '../support/processes';
import { randomPrefix, removePrefix } from '../support/rabbitmq';
import { Shopper, type Silence, tally, type Told } from '../support/shopper';
import { catalogueOf, startVendor, type TestVendor } from '../support/vendor';
import { waitFor } from '../support/wait';

const rabbitmqUrl = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const RATE_PER_SECOND = 200;
const STOCK = 100_000;
/** What the vendor takes for an answer, so that some handler is always at work. */
const LATENCY_MS = 50;
const SLOTS = 32;
/** A busy machine dispatches some 60 orders a second and takes the rest afterwards: the test is about what is cut, not how fast. */
const COMPLETED_WITHIN_MS = 120_000;

const transports: [name: string, env: Record<string, string> | undefined][] = [
  ['the embedded transport', {}],
  ['RabbitMQ', rabbitmqUrl === undefined ? undefined : { RABBITMQ_URL: rabbitmqUrl, RABBITMQ_PREFIX: randomPrefix() }],
];

describe.each(transports)('two api and two worker processes over %s', (_, env) => {
  let database: TestDatabase;
  let vendor: TestVendor;
  let balancer: Balancer;
  let shopper: Shopper;
  let processes: { mode: string; env: Record<string, string>; running: AppProcess }[];
  const gone: AppProcess[] = [];

  afterEach(async () => {
    await shopper?.close();
    await balancer?.close();
    await Promise.all(processes?.map(({ running }) => running.stop()) ?? []);
    await vendor?.stop();
    await database?.drop();
    if (env?.['RABBITMQ_URL']) await removePrefix(env['RABBITMQ_URL'], env['RABBITMQ_PREFIX']!, ['acme']);
  });

  (env ? it : it.skip)(
    'are restarted one by one under load, and no request fails and no handler is cut',
    async () => {
      database = await createDatabase();
      vendor = await startVendor('acme', catalogueOf(20, STOCK));
      const apiKey = `test-${randomBytes(16).toString('hex')}`;
      const common = { DATABASE_URL: database.url, ADMIN_API_KEY: apiKey, LOG_LEVEL: 'warn', ...env };
      processes = await Promise.all(
        ['api', 'api', 'worker', 'worker'].map(async (mode) => {
          const own = { ...common, [mode === 'api' ? 'PORT' : 'WORKER_PORT']: String(await freePort()) };
          return { mode, env: own, running: await startProcess(mode, own) };
        }),
      );
      await Promise.all(processes.map(({ running }) => ready(running)));
      const apis = processes.filter(({ mode }) => mode === 'api').map(({ running }) => running.url);
      const client = new ApiClient(apis[0]!, apiKey);
      await client.put('/v1/vendors/acme', {
        name: 'Acme',
        kind: 'rest',
        baseUrl: vendor.baseUrl,
        maxConcurrentOrders: SLOTS,
      });
      await waitFor(async () => (await client.get('/v1/products/acme:A-1')).body.stockQuantity === STOCK, {
        withinMs: 10_000,
        what: 'the stock of the vendor',
      });
      await vendor.faults({ latency: { ms: LATENCY_MS, operation: 'order' } });
      balancer = new Balancer(apis);
      shopper = new Shopper(await balancer.listen(), apiKey, 64);

      const restarting = restartEach();
      const answers = await ordersUntil(restarting);
      expect(await restarting).toEqual([0, 0, 0, 0]);

      expect(Object.keys(tally(answers))).toEqual(['201']);
      const orderIds = answers.flatMap((answer) => ('silence' in answer ? [] : answer.orderIds));
      await waitFor(async () => (await count(`status = 'completed'`)) === orderIds.length, {
        withinMs: COMPLETED_WITHIN_MS,
        what: `${orderIds.length} orders to complete`,
      });
      const books = (await vendor.accepted()).map(({ reference }) => reference);
      expect(books.toSorted()).toEqual(orderIds.toSorted());
      // One whose handler was cut is looked up by the next: its attempt never hears its own answer.
      const cut: unknown = await database.dataSource.query(
        `SELECT order_id, outcome FROM dispatch_attempts WHERE outcome IS DISTINCT FROM 'accepted'`,
      );
      expect(cut).toEqual([]);
      expect(await miscounted(database)).toEqual([]);
      const printed = [...gone, ...processes.map(({ running }) => running)].flatMap((app) => errorLines(app.output()));
      expect(printed).toEqual([]);
    },
    300_000,
  );

  /** Answers their exit codes. */
  async function restartEach(): Promise<(number | null)[]> {
    const codes: (number | null)[] = [];
    for (const place of processes) {
      gone.push(place.running);
      codes.push(await place.running.stop());
      place.running = await startProcess(place.mode, place.env);
      await ready(place.running);
      // Whoever restarts one after the other waits for the balancer's opinion, not for the process's own.
      await waitFor(() => balancer.complete, { withinMs: 10_000, what: 'the balancer to notice' });
    }
    return codes;
  }

  async function ordersUntil(done: Promise<unknown>): Promise<(Told | Silence)[]> {
    let ended = false;
    void done.finally(() => (ended = true)).catch(() => undefined);
    const asked: Promise<Told | Silence>[] = [];
    const startedAt = performance.now();
    while (!ended) {
      while (asked.length < ((performance.now() - startedAt) * RATE_PER_SECOND) / 1000) {
        asked.push(shopper.order(`acme:A-${1 + (asked.length % 20)}`, `order-${asked.length}`));
      }
      await pause(2);
    }
    return Promise.all(asked);
  }

  async function count(condition: string): Promise<number> {
    const [found] = await database.dataSource.query<{ count: number }[]>(
      `SELECT count(*)::integer AS count FROM orders WHERE ${condition}`,
    );
    return found!.count;
  }
});
