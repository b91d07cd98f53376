import { type ChannelModel, connect } from 'amqplib';
import { DispatchConsumers } from '../../../src/orders/fulfilment/dispatch-consumers';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { randomPrefix, removePrefix } from '../../support/rabbitmq';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const url = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const WITHIN_MS = 15_000;

(url ? describe : describe.skip)('the queue of a vendor that is disabled', () => {
  let app: TestApp;
  let acme: ScriptedVendor;
  let observer: ChannelModel;
  let prefix: string;
  let consumers: DispatchConsumers;

  beforeEach(async () => {
    prefix = randomPrefix();
    observer = await connect(url!);
    app = await createApp({ RABBITMQ_URL: url!, RABBITMQ_PREFIX: prefix });
    acme = await ScriptedVendor.listen();
    acme.lists(at(-60), { A: 10 });
    acme.accepts(at(-30));
    await enabled(true);
    await app.sync('acme');
    consumers = app.context.get(DispatchConsumers);
  });

  afterEach(async () => {
    await consumers.stop(5000);
    await acme.close();
    await app.close();
    await observer.close();
    await removePrefix(url!, prefix, ['acme']);
  });

  const enabled = (yes: boolean) => app.register({ vendorId: 'acme', baseUrl: acme.baseUrl, enabled: yes });

  async function place(): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    return order.orderId;
  }

  const status = async (orderId: string) => (await app.context.get(OrderQueries).get(orderId)).status;

  async function exists(): Promise<boolean> {
    const channel = await observer.createChannel();
    channel.on('error', () => undefined);
    return channel.checkQueue(`${prefix}.orders.acme`).then(
      async () => channel.close().then(() => true),
      () => false,
    );
  }

  it('stays until its open orders are done, then goes, and comes back with the vendor', async () => {
    const first = await place();
    await enabled(false);
    await consumers.start();
    await waitFor(async () => (await status(first)) === 'completed', { withinMs: WITHIN_MS, what: 'the open order' });
    await waitFor(async () => !(await exists()), { withinMs: WITHIN_MS, what: 'the queue to go' });

    await enabled(true);
    const second = await place();
    await waitFor(async () => (await status(second)) === 'completed', { withinMs: WITHIN_MS, what: 'the next order' });
    expect(await exists()).toBe(true);
  });

  it('goes with the last of two workers that consumed it', async () => {
    const other = (await app.another()).get(DispatchConsumers);
    await place();
    await Promise.all([consumers.start(), other.start()]);
    await waitFor(exists, { withinMs: WITHIN_MS, what: 'the queue' });
    await enabled(false);
    await waitFor(async () => !(await exists()), { withinMs: WITHIN_MS, what: 'the queue to go' });
    await other.stop(5000);
  });

  it('stays while an order of it waits for an operator', async () => {
    const orderId = await place();
    await app.dataSource.query('DELETE FROM outbox');
    await app.dataSource.query(
      `UPDATE orders SET needs_attention = true, attention_reason = 'ask' WHERE order_id = $1`,
      [orderId],
    );
    await enabled(false);
    await consumers.start();
    await consumers.runOnce();
    await waitFor(exists, { withinMs: WITHIN_MS, what: 'the queue' });
    await consumers.runOnce();
    await consumers.runOnce();
    expect(await exists()).toBe(true);
  });
});
