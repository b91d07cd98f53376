import type { INestApplicationContext } from '@nestjs/common';
import { HealthRegistry } from '../../../src/health/health-registry';
import { Broker } from '../../../src/messaging/broker';
import { DispatchConsumers } from '../../../src/orders/fulfilment/dispatch-consumers';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { createApp, type TestApp } from '../../support/app';
import { randomPrefix, removePrefix, Wire } from '../../support/rabbitmq';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const rabbitmqUrl = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const WITHIN_MS = 15_000;

describe.each([
  ['embedded', true],
  ['RabbitMQ', rabbitmqUrl !== undefined],
])('with the %s transport, an operator’s pause', (transport, available) => {
  const test = available ? it : it.skip;
  let app: TestApp;
  let vendors: Record<string, ScriptedVendor>;
  let wire: Wire | undefined;
  let prefix: string;
  const running: DispatchConsumers[] = [];

  beforeEach(async () => {
    prefix = randomPrefix();
    wire = transport === 'RabbitMQ' ? await new Wire(rabbitmqUrl!).open() : undefined;
    app = await createApp(wire && { RABBITMQ_URL: wire.url, RABBITMQ_PREFIX: prefix });
    vendors = { acme: await ScriptedVendor.listen(), other: await ScriptedVendor.listen() };
    for (const [vendorId, vendor] of Object.entries(vendors)) {
      vendor.lists(at(-60), { A: 10 });
      vendor.accepts(at(-30));
      await app.register({ vendorId, baseUrl: vendor.baseUrl });
      await app.sync(vendorId);
    }
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((consumers) => consumers.stop(5000)));
    await Promise.all(Object.values(vendors).map((vendor) => vendor.close()));
    await app.close();
    await wire?.close();
    if (wire) await removePrefix(rabbitmqUrl!, prefix, Object.keys(vendors));
  });

  const registry = () => app.context.get(VendorRegistry);

  async function work(context: INestApplicationContext = app.context): Promise<DispatchConsumers> {
    const consumers = context.get(DispatchConsumers);
    running.push(consumers);
    await consumers.start();
    await consumers.runOnce();
    return consumers;
  }

  async function place(vendorId: string): Promise<string> {
    const { order } = await app.context
      .get(Placement)
      .place({ productId: `${vendorId}:A`, quantity: 1 }, { client: 'test' });
    return order.orderId;
  }

  const completed = (orderId: string) =>
    waitFor(async () => (await app.context.get(OrderQueries).get(orderId)).status === 'completed', {
      withinMs: WITHIN_MS,
      what: `${orderId} to complete`,
    });

  /** Were the paused vendor's message taken, it would have been before this one. */
  async function othersGoOn(): Promise<void> {
    await completed(await place('other'));
  }

  test('keeps its orders waiting, neither taken nor counted, while those of other vendors go on', async () => {
    await registry().setPaused('acme', true);
    await work();
    const orderId = await place('acme');
    await othersGoOn();
    expect(vendors['acme']!.purchases).toEqual([]);
    expect((await app.context.get(OrderQueries).events(orderId)).map(({ type }) => type)).toEqual(['placed']);
    expect(await app.dataSource.query('SELECT * FROM dispatch_attempts WHERE order_id = $1', [orderId])).toEqual([]);
    await registry().setPaused('acme', false);
    await completed(orderId);
    expect(vendors['acme']!.purchases).toEqual([{ reference: orderId, sku: 'A', quantity: 1 }]);
  });

  test('holds over a restart, and for every process', async () => {
    const consumers = await work();
    await registry().setPaused('acme', true);
    await consumers.runOnce();
    const orderId = await place('acme');
    await othersGoOn();
    await running.pop()!.stop(5000);
    const other = await app.another();
    await work(other);
    await othersGoOn();
    expect(vendors['acme']!.purchases).toEqual([]);
    await other.get(VendorRegistry).setPaused('acme', false);
    await completed(orderId);
  });

  test('is no fault of the worker’s', async () => {
    await registry().setPaused('acme', true);
    await place('acme');
    await work();
    await othersGoOn();
    const readiness = app.context.get(HealthRegistry).checks.find(({ name }) => name === 'broker')!;
    await waitFor(async () => (await readiness.check()).obstacle === undefined, {
      withinMs: WITHIN_MS,
      what: 'the worker to be ready',
    });
    const consumers = async () => (await app.context.get(Broker).health()).consumers;
    await waitFor(async () => (await consumers())['other'] === 8, { withinMs: WITHIN_MS, what: 'all consumers' });
    expect(await consumers()).toEqual({ acme: 0, other: 8 });
  });

  if (transport !== 'RabbitMQ') return;

  test('holds over a lost connection to the broker', async () => {
    const consumers = await work();
    await othersGoOn();
    await registry().setPaused('acme', true);
    await consumers.runOnce();
    const orderId = await place('acme');
    const before = wire!.connections;
    wire!.cut();
    await waitFor(() => wire!.connections > before, { withinMs: WITHIN_MS, what: 'another connection' });
    await othersGoOn();
    expect(vendors['acme']!.purchases).toEqual([]);
    await registry().setPaused('acme', false);
    await completed(orderId);
  });
});
