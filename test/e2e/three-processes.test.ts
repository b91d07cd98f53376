import type { DataSource } from 'typeorm';
import { singleConnection } from '../../src/database/data-source';
import { type EmbeddedServer, startEmbedded } from '../../src/database/embedded/embedded-postgres';
import { migrate } from '../../src/database/migrate';
import { createDatabase, type TestDatabase } from '../support/database';
import { newDataDir, removeDataDir } from '../support/data-dir';
import { completed, type Installation, install, STOCK } from '../support/installation';
import { ready } from '../support/processes';
import { TcpProxy } from '../support/proxy';
import { randomPrefix, removePrefix } from '../support/rabbitmq';
import { waitFor } from '../support/wait';

const rabbitmqUrl = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const BUYERS = 200;

const transports: [name: string, env: Record<string, string> | undefined][] = [
  ['the embedded transport', {}],
  ['RabbitMQ', rabbitmqUrl === undefined ? undefined : { RABBITMQ_URL: rabbitmqUrl, RABBITMQ_PREFIX: randomPrefix() }],
];

describe.each(transports)('api, worker and vendor as processes of their own, over %s', (_, env) => {
  const tests = env === undefined ? describe.skip : describe;

  tests('on a database of their own', () => {
    let database: TestDatabase;
    let installation: Installation;

    afterEach(async () => {
      await installation.stop();
      await database.drop();
      if (env?.['RABBITMQ_URL']) await removePrefix(env['RABBITMQ_URL'], env['RABBITMQ_PREFIX']!, ['acme']);
    });

    it.each([
      ['once', 60_000],
      ['without pause', 100],
    ])('sells exactly 50 of 50 to 200 buyers at once, while stock is polled %s', async (_polled, syncIntervalMs) => {
      database = await createDatabase();
      installation = await install(database.url, env!, syncIntervalMs);
      const { client, vendor } = installation;
      const answers = await Promise.all(
        Array.from({ length: BUYERS }, () => client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 })),
      );
      const sold = answers.filter(({ status }) => status === 201);
      const refused = answers.filter(({ status, body }) => status === 409 && body.code === 'INSUFFICIENT_STOCK');
      expect([sold.length, refused.length]).toEqual([STOCK, BUYERS - STOCK]);
      await completed(installation, STOCK, 30_000);
      const books = (await vendor.accepted()).map(({ reference }) => reference);
      expect(books.toSorted()).toEqual(sold.map(({ body }) => body.orderId as string).toSorted());
      const [counters] = await database.dataSource.query(
        `SELECT p.reserved_quantity, COALESCE(sum(o.quantity) FILTER (WHERE o.hold_state IN ('held', 'acknowledged')), 0)::integer AS holds
         FROM products p LEFT JOIN orders o USING (vendor_id, product_id) WHERE p.product_id = 'acme:A-1'
         GROUP BY p.reserved_quantity`,
      );
      expect(counters.reserved_quantity).toBe(counters.holds);
    });

    it('stops cleanly on SIGTERM with an order under way, which is not bought twice', async () => {
      database = await createDatabase();
      installation = await install(database.url, env!, 60_000);
      const { client, vendor, worker } = installation;
      await vendor.faults({ latency: { ms: 500, operation: 'order' } });
      const { body } = await client.post('/v1/orders', { productId: 'acme:A-2', quantity: 1 });
      await waitFor(async () => (await client.get(`/v1/orders/${body.orderId}/events`)).body.items.length > 1, {
        withinMs: 5000,
        what: 'the order to be sent',
      });
      expect(await worker.stop()).toBe(0);
      expect((await client.get(`/v1/orders/${body.orderId}`)).body.status).toBe('completed');
      expect(await vendor.accepted()).toHaveLength(1);
    });
  });

  tests('when the database is restarted underneath them', () => {
    let dataDir: string;
    let server: EmbeddedServer;
    let proxy: TcpProxy;
    let installation: Installation;

    beforeEach(async () => {
      dataDir = newDataDir();
      server = await startEmbedded({ dataDir });
      proxy = await TcpProxy.listen();
      proxy.forwardTo(Number(new URL(server.url).port));
      const migrating: DataSource = await singleConnection(server.url).initialize();
      await migrate(migrating);
      await migrating.destroy();
    });

    afterEach(async () => {
      await installation.stop();
      await proxy.close();
      await server.stop();
      removeDataDir(dataDir);
      if (env?.['RABBITMQ_URL']) await removePrefix(env['RABBITMQ_URL'], env['RABBITMQ_PREFIX']!, ['acme']);
    });

    it('answers 503 meanwhile, and all of them go on by themselves afterwards', async () => {
      const url = new URL(server.url);
      url.port = String(proxy.port);
      installation = await install(url.toString(), env!, 200);
      const { client, api, worker, vendor } = installation;
      await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 });
      await completed(installation, 1, 10_000);

      await server.stop();
      proxy.cut();
      const meanwhile = await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 });
      expect([meanwhile.status, meanwhile.body.code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
      expect(meanwhile.headers.get('retry-after')).toMatch(/^\d+$/);
      expect((await fetch(`${api.url}/health/ready`)).status).toBe(503);
      expect((await fetch(`${api.url}/health/live`)).status).toBe(200);
      expect((await fetch(`${worker.url}/health/ready`)).status).toBe(503);

      server = await startEmbedded({ dataDir });
      proxy.forwardTo(Number(new URL(server.url).port));
      await Promise.all([ready(api), ready(worker)]);
      const afterwards = await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 });
      expect(afterwards.status).toBe(201);
      await completed(installation, 2, 20_000);
      expect(await vendor.accepted()).toHaveLength(2);
      await waitFor(async () => (await client.get('/v1/products/acme:A-1')).body.vendorQuantity === STOCK - 2, {
        withinMs: 10_000,
        what: 'the stock to be polled again',
      });
      expect([api.running(), worker.running()]).toEqual([true, true]);
    });
  });
});
