import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import { Outcome } from '../../../src/orders/fulfilment/outcome';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { freePort } from '../../support/processes';
import { NOT_FOUND, type ScriptedAnswer, ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const VENDOR_TIMEOUT_MS = 300;

describe('cancelling an order', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp({ VENDOR_TIMEOUT_MS: String(VENDOR_TIMEOUT_MS), DELIVERY_ATTEMPTS_MAX: '1' });
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 10 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  async function place(): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 2 }, { client: 'test' });
    return order.orderId;
  }

  /** Hands on every message there is, due or not. Answers how many. */
  async function step(): Promise<number> {
    const messages = await app.takeMessages();
    await Promise.all(messages.map((message) => app.context.get(Dispatch).dispatch(message)));
    return messages.length;
  }

  const cancel = (orderId: string) => app.context.get(Cancellation).cancel(orderId);
  const orderOf = (orderId: string) => app.context.get(OrderQueries).get(orderId);
  const storyOf = async (orderId: string) =>
    (await app.context.get(OrderQueries).events(orderId)).map(({ type }) => type);

  async function reserved(): Promise<number> {
    const [product] = await app.dataSource.query(`SELECT reserved_quantity FROM products WHERE product_id = 'acme:A'`);
    return product.reserved_quantity;
  }

  /** Lets the deadline and the vendor's lag pass for what was sent so far. */
  const letTimePass = () =>
    app.dataSource.query(`UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`);

  /** An order that was sent once, and nobody knows what became of it. */
  async function placeUnknown(): Promise<string> {
    vendor.onPurchase = () => 'drop';
    const orderId = await place();
    await step();
    return orderId;
  }

  const inBooks: ScriptedAnswer = { status: 200, body: { vendorOrderId: 'V-7', acceptedAt: at(-30) } };

  describe('of which nothing was sent', () => {
    it('fails it at once, frees its stock, and sends nothing afterwards', async () => {
      const orderId = await place();
      expect(await cancel(orderId)).toMatchObject({
        decided: true,
        order: { orderId, status: 'failed', failureReason: 'CANCELLED', cancelRequestedAt: expect.any(String) },
      });
      expect(await reserved()).toBe(0);
      expect(await step()).toBe(1);
      expect([vendor.purchases, vendor.cancels, vendor.lookUps]).toEqual([[], [], []]);
      expect(await storyOf(orderId)).toEqual(['placed', 'cancelled']);
    });

    it('counts an attempt that certainly never reached the vendor as nothing', async () => {
      await app.register({ vendorId: 'acme', baseUrl: `http://127.0.0.1:${await freePort()}` });
      const orderId = await place();
      await step();
      expect(await cancel(orderId)).toMatchObject({ decided: true, order: { status: 'failed' } });
    });

    it('answers the same to a second request, and frees the stock once', async () => {
      await place();
      const orderId = await place();
      const [first, second] = await Promise.all([cancel(orderId), cancel(orderId)]);
      expect(second).toEqual(first);
      expect(await cancel(orderId)).toEqual(first);
      expect(await reserved()).toBe(2);
    });
  });

  it.each([
    ['completed', { status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } }],
    ['failed', { status: 409, body: { code: 'OUT_OF_STOCK', message: '' } }],
  ])('refuses one that is %s', async (status, answer) => {
    vendor.onPurchase = () => answer;
    const orderId = await place();
    await step();
    await expect(cancel(orderId)).rejects.toMatchObject({ code: 'ORDER_NOT_CANCELLABLE' });
    expect(await orderOf(orderId)).toMatchObject({ status, cancelRequestedAt: null });
  });

  it('does not know an order that does not exist', async () => {
    await expect(cancel('01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d')).rejects.toMatchObject({ code: 'ORDER_NOT_FOUND' });
  });

  describe('that may have been sent', () => {
    it('keeps the stock held until the vendor has confirmed', async () => {
      const orderId = await placeUnknown();
      expect(await cancel(orderId)).toMatchObject({
        decided: false,
        order: { status: 'pending', cancelRequestedAt: expect.any(String) },
      });
      expect(await reserved()).toBe(2);
      await step();
      expect(vendor.cancels).toEqual([orderId]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await reserved()).toBe(0);
      expect(await storyOf(orderId)).toEqual(['placed', 'sent', 'unknown', 'cancelRequested', 'cancelled']);
      expect([vendor.purchases.length, vendor.lookUps.length, await step()]).toEqual([1, 0, 0]);
    });

    it('asks at once, not when the next try would have been due', async () => {
      const orderId = await placeUnknown();
      await app.dataSource.query(`UPDATE outbox SET due_at = now() + interval '1 hour'`);
      await cancel(orderId);
      expect(await app.dataSource.query('SELECT subject, due_at <= now() AS due FROM outbox')).toEqual([
        { subject: orderId, due: true },
      ]);
    });

    it('remembers the first of several requests, and sends one message', async () => {
      const orderId = await placeUnknown();
      const first = await cancel(orderId);
      expect(await cancel(orderId)).toEqual(first);
      expect(await step()).toBe(1);
      expect(await storyOf(orderId)).toEqual(['placed', 'sent', 'unknown', 'cancelRequested', 'cancelled']);
    });

    it.each([409, 405, 501])('completes it when the vendor has it and answers %s', async (status) => {
      const orderId = await placeUnknown();
      await cancel(orderId);
      vendor.onCancel = () => ({ status, body: { code: 'TOO_LATE', message: '' } });
      vendor.onLookUp = () => inBooks;
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-7' });
      const events = await app.context.get(OrderQueries).events(orderId);
      expect(events.at(-1)).toMatchObject({ type: 'completed', detail: expect.stringContaining('too late') });
      expect(await reserved()).toBe(2);
    });

    it('fails it with the vendor’s reason when that had refused it', async () => {
      const orderId = await placeUnknown();
      await cancel(orderId);
      vendor.onCancel = () => ({ status: 409 });
      vendor.onLookUp = () => ({ status: 200, body: { status: 'refused', code: 'OUT_OF_STOCK' } });
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'OUT_OF_STOCK' });
      expect(await reserved()).toBe(0);
    });

    it('believes a vendor that cannot find it only after the deadline and the lag, and never sends again', async () => {
      const orderId = await placeUnknown();
      await cancel(orderId);
      vendor.onCancel = () => NOT_FOUND;
      await step();
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending' });
      expect(await reserved()).toBe(2);
      await letTimePass();
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await reserved()).toBe(0);
      expect(vendor.purchases).toHaveLength(1);
    });

    it('asks again when the vendor did not find it and then has it', async () => {
      const orderId = await placeUnknown();
      await cancel(orderId);
      await letTimePass();
      vendor.onCancel = () => NOT_FOUND;
      vendor.onLookUp = () => inBooks;
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending' });
      vendor.onCancel = () => ({ status: 204 });
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
    });

    it.each<[string, ScriptedAnswer]>([
      ['a 500', { status: 500 }],
      ['a 429', { status: 429, headers: { 'retry-after': '1' } }],
      ['a dropped connection', 'drop'],
    ])('asks again after %s', async (_, answer) => {
      const orderId = await placeUnknown();
      await cancel(orderId);
      vendor.onCancel = () => answer;
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: false });
      vendor.onCancel = () => ({ status: 204 });
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
    });

    it('asks for attention when the vendor gives no answer until the request has grown too old', async () => {
      const orderId = await placeUnknown();
      await cancel(orderId);
      await growOld();
      await growOld('cancel_requested_at');
      vendor.onCancel = () => ({ status: 500 });
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
      expect([await reserved(), await step()]).toEqual([2, 0]);
    });

    it('is asked again and again, however old the order was when that was asked for', async () => {
      const orderId = await placeUnknown();
      await growOld();
      await cancel(orderId);
      vendor.onCancel = () => ({ status: 503 });
      for (let times = 0; times < 3; times++) await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: false });
      vendor.onCancel = () => ({ status: 204 });
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await reserved()).toBe(0);
    });

    it('asks again after a crash between the vendor’s confirmation and our record of it, and frees the stock once', async () => {
      const orderId = await placeUnknown();
      await cancel(orderId);
      const [message] = await app.takeMessages();
      const gone = jest.spyOn(app.context.get(Outcome), 'cancelled').mockRejectedValueOnce(new Error('killed'));
      await expect(app.context.get(Dispatch).dispatch(message!)).rejects.toThrow('killed');
      gone.mockRestore();
      expect(await reserved()).toBe(2);
      await app.dataSource.query(`UPDATE orders SET claimed_until = claimed_until - interval '1 hour'`);
      await app.dataSource.query(`UPDATE vendor_slots SET leased_until = leased_until - interval '1 hour'`);
      await app.context.get(Dispatch).dispatch(message!);
      await app.context.get(Dispatch).dispatch(message!);
      expect(vendor.cancels).toEqual([orderId, orderId]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await reserved()).toBe(0);
    });

    it('asks the vendor about one that waited for an operator', async () => {
      const orderId = await placeUnknown();
      await letTimePass();
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
      await cancel(orderId);
      expect(await step()).toBe(1);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', needsAttention: false });
      expect(vendor.cancels).toEqual([orderId]);
    });
  });

  it('asks the vendor when it is asked again about one that waits for an operator, should its message be lost', async () => {
    const orderId = await placeUnknown();
    await letTimePass();
    await step();
    await cancel(orderId);
    await app.takeMessages();
    await letAMinutePass(orderId);
    expect(await cancel(orderId)).toMatchObject({ decided: false });
    await cancel(orderId);
    expect(await step()).toBe(1);
    expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
  });

  it('has one message going round, however often it is asked to cancel one that waits for an operator', async () => {
    const orderId = await placeUnknown();
    await letTimePass();
    await step();
    await cancel(orderId);
    const [atTheBroker] = await app.takeMessages();
    for (let again = 0; again < 3; again++) await cancel(orderId);
    expect(await app.takeMessages()).toEqual([]);
    vendor.onCancel = () => ({ status: 500 });
    for (let again = 0; again < 2; again++) {
      await letAMinutePass(orderId);
      await cancel(orderId);
      const [another] = await app.takeMessages();
      await app.context.get(Dispatch).dispatch(another!);
    }
    await app.context.get(Dispatch).dispatch(atTheBroker!);
    expect(await app.takeMessages()).toHaveLength(1);
  });

  it('leaves one dead letter, however often the vendor of one that has grown too old does not answer', async () => {
    const orderId = await placeUnknown();
    await letTimePass();
    await step();
    await growOld();
    vendor.onCancel = () => ({ status: 500 });
    for (let again = 0; again < 2; again++) {
      await cancel(orderId);
      await growOld('cancel_requested_at');
      expect(await step()).toBe(1);
      await letAMinutePass(orderId);
    }
    expect(vendor.cancels).toHaveLength(2);
    expect(await app.dataSource.query('SELECT FROM dead_letters')).toHaveLength(1);
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
  });

  async function growOld(since: 'created_at' | 'cancel_requested_at' = 'created_at'): Promise<void> {
    await app.dataSource.query(`UPDATE orders SET ${since} = ${since} - interval '2 days'`);
  }

  async function letAMinutePass(orderId: string): Promise<void> {
    await app.dataSource.query(`UPDATE order_events SET at = at - interval '1 minute' WHERE order_id = $1`, [orderId]);
  }

  describe('while it is being sent', () => {
    /** Cancels while the vendor has the purchase in hand, and then lets it answer. */
    async function cancelWhileSending(answer: ScriptedAnswer): Promise<string> {
      let give = (_: ScriptedAnswer): void => undefined;
      vendor.onPurchase = () => new Promise((resolve) => (give = resolve));
      const orderId = await place();
      const sending = step();
      await waitFor(() => vendor.purchases.length === 1, { withinMs: 5000, what: 'the purchase to be sent' });
      expect(await cancel(orderId)).toMatchObject({ decided: false });
      give(answer);
      await sending;
      return orderId;
    }

    it('has it cancelled at the vendor that accepts it', async () => {
      const orderId = await cancelWhileSending({ ...inBooks, status: 201 });
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending' });
      expect(await reserved()).toBe(2);
      await step();
      expect(vendor.cancels).toEqual([orderId]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await reserved()).toBe(0);
      expect(await storyOf(orderId)).toEqual(['placed', 'sent', 'cancelRequested', 'accepted', 'cancelled']);
    });

    it('believes a vendor that has just accepted it and cannot find it only after the deadline and the lag', async () => {
      const orderId = await cancelWhileSending({ ...inBooks, status: 201 });
      vendor.onCancel = () => NOT_FOUND;
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending' });
      expect(await reserved()).toBe(2);
      vendor.onLookUp = () => inBooks;
      await step();
      vendor.onCancel = () => ({ status: 204 });
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await reserved()).toBe(0);
    });

    it('believes it then, though the vendor had accepted it', async () => {
      const orderId = await cancelWhileSending({ ...inBooks, status: 201 });
      vendor.onCancel = () => NOT_FOUND;
      await letTimePass();
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await reserved()).toBe(0);
    });

    it('fails it with the reason of the vendor that refuses it', async () => {
      const orderId = await cancelWhileSending({ status: 409, body: { code: 'OUT_OF_STOCK', message: '' } });
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'OUT_OF_STOCK' });
      expect([await reserved(), await step()]).toEqual([0, 0]);
    });

    it('asks to cancel what nobody knows of, instead of looking it up', async () => {
      const orderId = await cancelWhileSending('drop');
      await step();
      expect([vendor.cancels, vendor.lookUps]).toEqual([[orderId], []]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
    });

    it('needs no vendor when it was not sent after all', async () => {
      const orderId = await cancelWhileSending('drop');
      await app.dataSource.query(`UPDATE dispatch_attempts SET outcome = 'not_sent', closed_at = now()`);
      await step();
      expect(vendor.cancels).toEqual([]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await storyOf(orderId)).toEqual(['placed', 'sent', 'cancelRequested', 'unknown', 'cancelled']);
    });

    it('is not sent again by a look-up under way that proves that nothing was bought', async () => {
      const orderId = await placeUnknown();
      await letTimePass();
      await app.dataSource.query('UPDATE vendors SET delivery_attempts_max = 5');
      let give = (_: ScriptedAnswer): void => undefined;
      vendor.onLookUp = () => new Promise((resolve) => (give = resolve));
      const lookingUp = step();
      await waitFor(() => vendor.lookUps.length === 1, { withinMs: 5000, what: 'the look-up' });
      await cancel(orderId);
      give(NOT_FOUND);
      await lookingUp;
      expect(vendor.purchases).toHaveLength(1);
      await step();
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(vendor.purchases).toHaveLength(1);
    });
  });
});
