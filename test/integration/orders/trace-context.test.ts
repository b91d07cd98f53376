import type { ConsumeMessage } from 'amqplib';
import { fromWire } from '../../../src/messaging/brokers/rabbitmq/wire-format';
import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { Sweeper } from '../../../src/orders/fulfilment/sweeper';
import { Placement } from '../../../src/orders/placement/placement';
import { DeadLetterQueries } from '../../../src/operations/dead-letters/dead-letter-queries';
import { Replay } from '../../../src/operations/dead-letters/replay';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const CONTEXT = { client: 'test', traceparent: TRACEPARENT };
const ONE = { productId: 'acme:A', quantity: 1 };

describe('the trace context of an order', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp({ VENDOR_TIMEOUT_MS: '300' });
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 10, B: 10 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  const placement = () => app.context.get(Placement);
  const query = (statement: string, values: unknown[] = []) => app.dataSource.query(statement, values);

  async function place(): Promise<string> {
    return (await placement().place(ONE, CONTEXT)).order.orderId;
  }

  /** Takes the messages there are, and says whose they are and where their traces go on. */
  async function sent(): Promise<[orderId: string, traceparent: string | null][]> {
    return (await app.takeMessages()).map(({ subject, traceparent }) => [subject, traceparent]);
  }

  async function dispatchAll(): Promise<void> {
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
  }

  it('goes along with its message, also where a batch is decided one by one, and is nobody else’s', async () => {
    const nothingLeft = placement().place({ productId: 'acme:B', quantity: 11 }, { client: 'test' });
    const [traced, untraced, { orders }] = await Promise.all([
      placement().place(ONE, CONTEXT),
      placement().place(ONE, { client: 'test' }),
      placement().checkOut([ONE, { productId: 'acme:B', quantity: 1 }], CONTEXT),
      expect(nothingLeft).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' }),
    ]);
    expect(new Map(await sent())).toEqual(
      new Map([
        [traced.order.orderId, TRACEPARENT],
        [untraced.order.orderId, null],
        ...orders.map(({ orderId }) => [orderId, TRACEPARENT] as const),
      ]),
    );
  });

  it('is kept by a message that comes again', async () => {
    vendor.onPurchase = () => ({ status: 503 });
    const orderId = await place();
    await dispatchAll();
    expect(await sent()).toEqual([[orderId, TRACEPARENT]]);
  });

  it('is found again by a sweep', async () => {
    const orderId = await place();
    await app.takeMessages();
    await app.context.get(Sweeper).runOnce(0);
    expect(await sent()).toEqual([[orderId, TRACEPARENT]]);
  });

  it('is found again by a replay, and by a cancellation, of what was given up', async () => {
    vendor.onPurchase = () => 'drop';
    vendor.onLookUp = () => ({ status: 500 });
    const orderId = await place();
    await dispatchAll();
    await query(`UPDATE orders SET created_at = created_at - interval '2 days'`);
    await dispatchAll();
    expect(await sent()).toEqual([]);

    const [listed] = await app.context.get(DeadLetterQueries).list({ limit: 1 });
    await app.context.get(Replay).one(listed!.letter.deadLetterId, { client: 'desk', apiKeyId: 'k-1' });
    expect(await sent()).toEqual([[orderId, TRACEPARENT]]);

    await query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
    await app.context.get(Cancellation).cancel(orderId);
    expect(await sent()).toEqual([[orderId, TRACEPARENT]]);
  });

  it('is not taken from a message that carries something else, which could not be stored', () => {
    const wire = (traceparent: string) =>
      ({
        content: Buffer.from('{}'),
        properties: { messageId: 'm', type: 't', headers: { subject: 's', traceparent } },
      }) as unknown as ConsumeMessage;
    expect(fromWire(wire('x'.repeat(1000)), 'acme').traceparent).toBeNull();
    expect(fromWire(wire(TRACEPARENT), 'acme').traceparent).toBe(TRACEPARENT);
  });
});
