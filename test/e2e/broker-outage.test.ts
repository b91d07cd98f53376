import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install } from '../support/installation';
import { ready } from '../support/processes';
import { canStartBroker, type PrivateBroker, privateBroker } from '../support/rabbitmq';
import { waitFor } from '../support/wait';

const ORDERS = 20;
const suite = canStartBroker() ? describe : describe.skip;

suite('when RabbitMQ is away', () => {
  let broker: PrivateBroker;
  let database: TestDatabase;
  let installation: Installation;

  beforeEach(async () => {
    broker = await privateBroker();
    database = await createDatabase();
    installation = await install(database.url, { RABBITMQ_URL: broker.url, RABBITMQ_PREFIX: 'outage' }, 60_000);
  });

  afterEach(async () => {
    await installation.stop();
    await database.drop();
    await broker.remove();
  });

  it.each(['stopped', 'killed'])(
    'still answers orders 201 while it is %s; all complete afterwards, each bought once',
    async (how) => {
      const { api, worker, client, vendor } = installation;
      await (how === 'stopped' ? broker.stop() : broker.kill());
      await waitFor(async () => (await fetch(`${worker.url}/health/ready`)).status === 503, {
        withinMs: 20_000,
        what: 'the worker to notice',
      });
      const placed = await Promise.all(
        Array.from({ length: ORDERS }, (_, index) =>
          client.post('/v1/orders', { productId: `acme:A-${(index % 10) + 1}`, quantity: 1 }),
        ),
      );
      expect(placed.map(({ status }) => status)).toEqual(Array.from({ length: ORDERS }, () => 201));
      expect((await fetch(`${api.url}/health/ready`)).status).toBe(200);
      expect(await vendor.accepted()).toEqual([]);

      await broker.start();
      await ready(worker);
      await completed(installation, ORDERS, 60_000);
      const books = (await vendor.accepted()).map(({ reference }) => reference);
      expect(books.toSorted()).toEqual(placed.map(({ body }) => body.orderId as string).toSorted());
    },
    180_000,
  );
});
