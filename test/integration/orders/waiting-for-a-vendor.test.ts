import { Broker } from '../../../src/messaging/broker';
import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { DispatchConsumers } from '../../../src/orders/fulfilment/dispatch-consumers';
import { NoFreeSlot, OrdersInHand } from '../../../src/orders/fulfilment/orders-in-hand';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { createApp, type TestApp } from '../../support/app';
import { type ScriptedAnswer, ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

/** As many calls as open the breaker, were they to fail. */
const CALLS = 5;
const WITHIN_MS = 10_000;

describe('an order whose vendor is left alone', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 100 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  async function place(): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    return order.orderId;
  }

  /** Hands on every message there is, due or not. */
  async function step(): Promise<boolean[]> {
    const messages = await app.takeMessages();
    return Promise.all(messages.map((message) => app.context.get(Dispatch).dispatch(message)));
  }

  /** So many orders that the vendor answers, one after the other. */
  async function answers(answer: ScriptedAnswer, orders: number): Promise<void> {
    vendor.onPurchase = () => answer;
    for (let order = 0; order < orders; order++) {
      await place();
      await step();
    }
  }

  /** The vendor has failed; nothing of that is left but its breaker, which is open. */
  async function open(): Promise<void> {
    await app.dataSource.query(
      `INSERT INTO vendor_breakers (vendor_id, operation, opening, pauses, open_until)
       VALUES ('acme', 'orders', 0, 1, now() + interval '30 s')`,
    );
  }

  const pauseEnds = () => app.dataSource.query(`UPDATE vendor_breakers SET open_until = now() - interval '1 ms'`);
  const breaker = async () => (await app.context.get(VendorRegistry).get('acme')).breaker;
  const statusOf = async (orderId: string) => (await app.context.get(OrderQueries).get(orderId)).status;
  const storyOf = async (orderId: string) =>
    (await app.context.get(OrderQueries).events(orderId)).map(({ type }) => type);
  const count = async (what: string) =>
    (await app.dataSource.query(`SELECT count(*)::integer AS count FROM ${what}`))[0].count as number;

  it('is not sent, uses no attempt and no slot, and comes again when that is over', async () => {
    await open();
    const orderId = await place();
    for (let times = 0; times < 3; times++) expect(await step()).toEqual([true]);
    expect(vendor.purchases).toEqual([]);
    expect([await count('dispatch_attempts'), await count('vendor_slots WHERE token IS NOT NULL')]).toEqual([0, 0]);
    expect(await count('orders WHERE claimed_until IS NOT NULL')).toBe(0);
    expect(await app.context.get(OrderQueries).events(orderId)).toEqual([
      expect.objectContaining({ type: 'placed' }),
      expect.objectContaining({ type: 'waiting', detail: expect.stringMatching(/left alone/) }),
    ]);
    const [due] = await app.dataSource.query(
      `SELECT attempt, due_at BETWEEN open_until AND open_until + interval '1.1 s' AS when_it_is_over
       FROM outbox, vendor_breakers`,
    );
    expect(due).toEqual({ attempt: 1, when_it_is_over: true });
  });

  it('waits as it does while an operator has paused its vendor, and its story says which', async () => {
    await app.context.get(VendorRegistry).setPaused('acme', true);
    const orderId = await place();
    for (let times = 0; times < 3; times++) expect(await step()).toEqual([true]);
    expect(vendor.purchases).toEqual([]);
    expect((await app.context.get(OrderQueries).events(orderId)).map(({ detail }) => detail)).toEqual([
      expect.any(String),
      expect.stringMatching(/operator has paused/),
    ]);
    await app.context.get(VendorRegistry).setPaused('acme', false);
    vendor.accepts(at(-30));
    await step();
    expect(await statusOf(orderId)).toBe('completed');
  });

  it('that the vendor failed so often is one of those, and those of other vendors are not', async () => {
    const other = await ScriptedVendor.listen();
    other.lists(at(-60), { A: 10 });
    other.accepts(at(-30));
    await app.register({ vendorId: 'other', baseUrl: other.baseUrl });
    await app.sync('other');
    vendor.onLookUp = () => ({ status: 500 });
    await answers({ status: 500 }, 3);
    expect(await breaker()).toBe('open');
    await app.dataSource.query(`UPDATE vendor_breakers SET open_until = now() + interval '1 minute'`);
    const sent = [vendor.purchases.length, vendor.lookUps.length, await count('dispatch_attempts')];
    const { order } = await app.context.get(Placement).place({ productId: 'other:A', quantity: 1 }, { client: 'test' });
    for (let times = 0; times < 3; times++) await step();
    expect([vendor.purchases.length, vendor.lookUps.length, await count('dispatch_attempts')]).toEqual([
      ...sent.slice(0, 2),
      sent[2]! + 1,
    ]);
    expect(await statusOf(order.orderId)).toBe('completed');
    await other.close();
  });

  it('is the only one to be sent when it is the first after that; the others follow', async () => {
    await open();
    const orders = await Promise.all(Array.from({ length: 10 }, place));
    await step();
    await pauseEnds();
    let answer = (_: ScriptedAnswer): void => undefined;
    vendor.onPurchase = () => new Promise((resolve) => (answer = resolve));
    const others = step();
    await waitFor(() => vendor.purchases.length === 1, { withinMs: WITHIN_MS, what: 'the probe' });
    await expect(app.context.get(OrdersInHand).take(await place())).rejects.toThrow(NoFreeSlot);
    expect([await breaker(), vendor.purchases.length]).toEqual(['halfOpen', 1]);
    vendor.accepts(at(-30));
    answer({ status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
    await others;
    expect(await breaker()).toBe('closed');
    expect(await Promise.all(orders.map(statusOf))).toEqual(orders.map(() => 'completed'));
    expect(new Set(vendor.purchases.map(({ reference }) => reference)).size).toBe(10);
  });

  it('goes on waiting when the one that was sent first fails', async () => {
    await open();
    const orders = await Promise.all(Array.from({ length: 6 }, place));
    await pauseEnds();
    vendor.onPurchase = () => ({ status: 503 });
    expect((await step()).filter((shut) => shut)).toHaveLength(5);
    expect([await breaker(), vendor.purchases.length, await count('dispatch_attempts')]).toEqual(['open', 1, 1]);
    const stories = await Promise.all(orders.map(storyOf));
    expect(stories.filter((story) => story.at(-1) === 'waiting')).toHaveLength(5);
  });

  it('is looked up before anything else, where it was sent before, and sent after all', async () => {
    vendor.onPurchase = () => 'drop';
    const orderId = await place();
    await step();
    await app.dataSource.query(`UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`);
    await open();
    await pauseEnds();
    vendor.accepts(at(-30));
    await step();
    expect([vendor.lookUps, vendor.purchases.length, await breaker()]).toEqual([[orderId], 2, 'closed']);
    expect(await statusOf(orderId)).toBe('completed');
  });

  it('is cancelled there, where that was asked for', async () => {
    vendor.onPurchase = () => 'drop';
    const orderId = await place();
    await step();
    await open();
    await app.context.get(Cancellation).cancel(orderId);
    await step();
    expect(vendor.cancels).toEqual([]);
    await pauseEnds();
    await step();
    expect([vendor.cancels, await statusOf(orderId), await breaker()]).toEqual([[orderId], 'failed', 'closed']);
  });

  it('is what no 4xx leads to, and a rate limit uses no attempt either', async () => {
    await answers({ status: 401 }, CALLS + 1);
    await app.takeMessages();
    await answers({ status: 429, headers: { 'retry-after': '1' } }, CALLS + 1);
    expect(await breaker()).toBe('closed');
    expect(await count('dispatch_attempts WHERE counted')).toBe(CALLS + 1);
    expect(await count('dispatch_attempts')).toBe(2 * (CALLS + 1));
  });

  it('stays where it is, but for the few that were in hand already', async () => {
    const consumers = app.context.get(DispatchConsumers);
    await Promise.all(Array.from({ length: 60 }, place));
    await consumers.runOnce();
    await open();
    await app.context.get(Broker).start();
    try {
      await waitFor(async () => (await app.context.get(Broker).health()).consumers['acme'] === 0, {
        withinMs: WITHIN_MS,
        what: 'the consumers to be gone',
      });
    } finally {
      await consumers.stop(5000);
    }
    const waiting = await count(`order_events WHERE type = 'waiting'`);
    expect(waiting).toBeGreaterThan(0);
    expect(waiting).toBeLessThanOrEqual(16);
    expect(await count('outbox')).toBe(60);
    expect(vendor.purchases).toEqual([]);
  });
});
