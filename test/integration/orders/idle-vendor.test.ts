import { type ChannelModel, connect } from 'amqplib';
import { Broker } from '../../../src/messaging/broker';
import { DispatchConsumers } from '../../../src/orders/fulfilment/dispatch-consumers';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { randomPrefix, removePrefix } from '../../support/rabbitmq';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const rabbitmqUrl = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const WITHIN_MS = 15_000;
const OTHERS = 1_000;

describe.each([
  ['embedded', true],
  ['RabbitMQ', rabbitmqUrl !== undefined],
])('with the %s transport, a vendor that has nothing to do', (transport, available) => {
  const test = available ? it : it.skip;
  let app: TestApp;
  let acme: ScriptedVendor;
  let observer: ChannelModel | undefined;
  let prefix: string;
  let consumers: DispatchConsumers;
  let broker: Broker;

  beforeEach(async () => {
    prefix = randomPrefix();
    const overRabbit = transport === 'RabbitMQ';
    observer = overRabbit ? await connect(rabbitmqUrl!) : undefined;
    app = await createApp(overRabbit ? { RABBITMQ_URL: rabbitmqUrl!, RABBITMQ_PREFIX: prefix } : {});
    acme = await ScriptedVendor.listen();
    acme.lists(at(-60), { A: 10 });
    acme.accepts(at(-30));
    await app.register({ vendorId: 'acme', baseUrl: acme.baseUrl });
    await app.sync('acme');
    consumers = app.context.get(DispatchConsumers);
    broker = app.context.get(Broker);
  });

  afterEach(async () => {
    await consumers.stop(5000);
    await acme.close();
    await app.close();
    await observer?.close();
    if (observer) await removePrefix(rabbitmqUrl!, prefix, ['acme']);
  });

  async function place(): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    return order.orderId;
  }

  const completed = (orderId: string) =>
    waitFor(async () => (await app.context.get(OrderQueries).get(orderId)).status === 'completed', {
      withinMs: WITHIN_MS,
      what: `${orderId} to complete`,
    });

  const consumed = async () => Object.keys((await broker.health()).consumers);
  const gone = () =>
    waitFor(async () => (await consumed()).length === 0, { withinMs: WITHIN_MS, what: 'no consumers' });

  /** Whether the queue is at the broker. */
  async function exists(): Promise<boolean> {
    const channel = await observer!.createChannel();
    channel.on('error', () => undefined);
    return channel.checkQueue(`${prefix}.orders.acme`).then(
      async () => channel.close().then(() => true),
      () => false,
    );
  }

  test('beside a thousand of its kind, costs no consumer, and its first order is taken all the same', async () => {
    await app.dataSource.query(
      `INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms)
       SELECT 'idle-' || n, 'idle', 'rest', 'http://127.0.0.1:9', true, 8, 0, 5000 FROM generate_series(1, $1::integer) AS n`,
      [OTHERS],
    );
    await consumers.start();
    await consumers.runOnce();
    expect(await consumed()).toEqual([]);
    await completed(await place());
    expect(await consumed()).toEqual(['acme']);
    await waitFor(async () => (await broker.health()).consumers['acme'] === 8, {
      withinMs: WITHIN_MS,
      what: 'all its consumers',
    });
    expect(await consumers.standing()).toEqual([{ vendorId: 'acme', wanted: 8, open: 8 }]);
  });

  test('is let go of after a while, and consumed again with its next order', async () => {
    await consumers.start();
    await completed(await place());
    expect(await consumed()).toEqual(['acme']);
    consumers.limits.idleMs = 0;
    await gone();
    if (observer) await waitFor(async () => !(await exists()), { withinMs: WITHIN_MS, what: 'the queue to go' });
    consumers.limits.idleMs = 600_000;
    await completed(await place());
    expect(await consumed()).toEqual(['acme']);
  });

  test('is let go of soon while the broker has no room for the queues of others', async () => {
    consumers.limits.idleMsInNeed = 0;
    await consumers.start();
    await completed(await place());
    expect(await consumed()).toEqual(['acme']);
    const health = broker.health.bind(broker);
    jest.spyOn(broker, 'health').mockImplementation(async () => ({ ...(await health()), lacking: 1 }));
    await gone();
  });

  test('is not let go of while its order waits for an operator', async () => {
    const orderId = await place();
    await app.dataSource.query('DELETE FROM outbox');
    await app.dataSource.query(
      `UPDATE orders SET needs_attention = true, attention_reason = 'ask' WHERE order_id = $1`,
      [orderId],
    );
    consumers.limits.idleMs = 0;
    await consumers.start();
    for (let look = 0; look < 25; look++) await consumers.runOnce();
    expect(await consumed()).toEqual(['acme']);
  });

  if (transport !== 'RabbitMQ') return;

  test('loses the queue that a killed worker has left, once what is in it has been taken', async () => {
    const channel = await observer!.createChannel();
    const arguments_ = { 'x-queue-type': 'quorum', 'x-dead-letter-exchange': `${prefix}.dead` };
    await channel.assertQueue(`${prefix}.orders.acme`, { durable: true, arguments: arguments_ });
    channel.sendToQueue(`${prefix}.orders.acme`, Buffer.from('{}'), { type: 'order.placed.v1', messageId: 'm' });
    await waitFor(async () => (await channel.checkQueue(`${prefix}.orders.acme`)).messageCount === 1, {
      withinMs: WITHIN_MS,
      what: 'the message',
    });
    consumers.limits.idleMs = 1_000;
    await consumers.start();
    await waitFor(async () => !(await exists()), { withinMs: WITHIN_MS, what: 'the queue to go' });
    const [{ count }] = await app.dataSource.query('SELECT count(*)::integer AS count FROM dead_letters');
    expect(count).toBe(1);
  });
});
