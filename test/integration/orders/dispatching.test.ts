import { Placement } from '../../../src/orders/placement/placement';
import { AcceptanceRepository } from '../../../src/orders/fulfilment/acceptance.repository';
import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import type { Claim } from '../../../src/orders/fulfilment/claim.repository';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { Outcome } from '../../../src/orders/fulfilment/outcome';
import { OrderQueries } from '../../../src/orders/order-queries';
import { UnreadableMessage } from '../../../src/messaging/broker';
import { WholeDatabase } from '../../../src/operations/backup/whole-database.repository';
import type { Refused } from '../../../src/vendors/vendor-adapter';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { createApp, type TestApp } from '../../support/app';
import { freePort } from '../../support/processes';
import { NOT_FOUND, type ScriptedAnswer, ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const STOCK = 10;
const VENDOR_TIMEOUT_MS = 300;

describe('dispatching an order', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp({ VENDOR_TIMEOUT_MS: String(VENDOR_TIMEOUT_MS), DELIVERY_ATTEMPTS_MAX: '3' });
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: STOCK });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  async function place(quantity = 1): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity }, { client: 'test' });
    return order.orderId;
  }

  /** Hands on every message there is, due or not. Answers how many. */
  async function step(): Promise<number> {
    const messages = await app.takeMessages();
    await Promise.all(messages.map((message) => app.context.get(Dispatch).dispatch(message)));
    return messages.length;
  }

  const orderOf = (orderId: string) => app.context.get(OrderQueries).get(orderId);
  const storyOf = async (orderId: string) =>
    (await app.context.get(OrderQueries).events(orderId)).map(({ type }) => type);

  async function reserved(): Promise<number> {
    const [product] = await app.dataSource.query(`SELECT reserved_quantity FROM products WHERE product_id = 'acme:A'`);
    return product.reserved_quantity;
  }

  async function slotsInUse(): Promise<number> {
    const [{ used }] = await app.dataSource.query(
      'SELECT count(*)::integer AS used FROM vendor_slots WHERE token IS NOT NULL',
    );
    return used;
  }

  describe('that a restored database remembers as never sent', () => {
    const forget = () =>
      WholeDatabase.at(app.database.url, (database) => database.doubtPendingSince(new Date().toISOString()));

    it('looks it up before it sends it', async () => {
      const orderId = await place();
      await forget();
      vendor.accepts(at(-30));
      await step();
      expect([vendor.lookUps, vendor.purchases.length]).toEqual([[orderId], 1]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    });

    it('settles it at once by a listing that contains it', async () => {
      await place();
      await forget();
      vendor.lists(at(-20), { A: STOCK - 1 });
      await app.sync('acme');
      vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
      await step();
      expect([vendor.purchases, await reserved()]).toEqual([[], 0]);
    });

    it('has its vendor asked to cancel it', async () => {
      const orderId = await place();
      await forget();
      expect(await app.context.get(Cancellation).cancel(orderId)).toMatchObject({ decided: false });
      await step();
      expect([vendor.cancels, await orderOf(orderId)]).toEqual([
        [orderId],
        expect.objectContaining({ status: 'failed' }),
      ]);
    });
  });

  it('lets go of an order where handling it fails for a reason of its own, so that each time is counted', async () => {
    const orderId = await place();
    const [message] = await app.takeMessages();
    const registry = app.context.get(VendorRegistry);
    const failing = jest.spyOn(registry, 'adapterOf').mockImplementation(() => {
      throw new Error('no adapter');
    });
    for (let again = 0; again < 2; again++)
      await expect(app.context.get(Dispatch).dispatch(message!)).rejects.toThrow('no adapter');
    failing.mockRestore();
    expect(await slotsInUse()).toBe(0);
    // Its attempt may have bought it, for all we know.
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
    await app.context.get(Dispatch).dispatch(message!);
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    expect(vendor.purchases).toEqual([]);
  });

  /** Lets the deadline and the vendor's lag pass for what was sent so far, and claims of the dead run out. */
  async function letTimePass(): Promise<void> {
    await app.dataSource.query(`UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`);
    await app.dataSource.query(`UPDATE orders SET claimed_until = claimed_until - interval '1 hour'`);
    await app.dataSource.query(`UPDATE vendor_slots SET leased_until = leased_until - interval '1 hour'`);
  }

  it('completes what the vendor accepts', async () => {
    vendor.accepts(at(-30));
    const orderId = await place(2);
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: expect.stringMatching(/^V-/) });
    expect(vendor.purchases).toEqual([{ reference: orderId, sku: 'A', quantity: 2 }]);
    expect(await storyOf(orderId)).toEqual(['placed', 'sent', 'completed']);
    expect(await slotsInUse()).toBe(0);
    expect(await step()).toBe(0);
  });

  it.each([
    [409, 'OUT_OF_STOCK', 'OUT_OF_STOCK'],
    [422, 'UNKNOWN_SKU', 'UNKNOWN_SKU'],
    [409, 'WE_DO_NOT_LIKE_YOU', 'REFUSED'],
    [409, 'CANCELLED', 'CANCELLED'],
  ])('fails what the vendor refuses with %s %s, and frees its stock', async (status, code, failureReason) => {
    vendor.onPurchase = () => ({ status, body: { code, message: 'no' } });
    const orderId = await place(3);
    expect(await reserved()).toBe(3);
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason });
    expect(await reserved()).toBe(0);
    expect(await slotsInUse()).toBe(0);
    expect(await step()).toBe(0);
  });

  const unknown: [string, ScriptedAnswer][] = [
    ['a 500', { status: 500 }],
    ['a 503 with Retry-After', { status: 503, headers: { 'retry-after': '1' } }],
    ['a 429', { status: 429, headers: { 'retry-after': '1' } }],
    ['a dropped connection', 'drop'],
    ['a 201 that cannot be read', { status: 201, body: '<html>' }],
    ['a 201 without an id', { status: 201, body: {} }],
    ['a refusal without a code', { status: 409, body: '<html>' }],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }],
    ['a 401', { status: 401 }],
    ['a 404', { status: 404 }],
  ];

  it.each(unknown)('looks up after %s before anything else, and completes what it finds', async (_, answer) => {
    vendor.onPurchase = () => answer;
    const orderId = await place();
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending' });
    expect(vendor.lookUps).toEqual([]);
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-7', acceptedAt: at(-30) } });
    await step();
    expect(vendor.lookUps).toEqual([orderId]);
    expect(vendor.purchases).toHaveLength(1);
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-7' });
    expect(await storyOf(orderId)).toEqual(['placed', 'sent', 'unknown', 'completed']);
  });

  it('looks up after a time-out', async () => {
    let letGo = (): void => undefined;
    vendor.onPurchase = () => ({ hang: new Promise((resolve) => (letGo = resolve)) });
    const orderId = await place();
    await step();
    letGo();
    expect(await storyOf(orderId)).toEqual(['placed', 'sent', 'unknown']);
    vendor.onLookUp = () => ({ status: 200, body: { status: 'refused', code: 'OUT_OF_STOCK' } });
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'OUT_OF_STOCK' });
    expect(await reserved()).toBe(0);
  });

  it('believes “not found” only after the deadline and the lag have passed, and sends again then', async () => {
    vendor.onPurchase = () => 'drop';
    const orderId = await place();
    await step();
    await step();
    await step();
    expect(vendor.purchases).toHaveLength(1);
    expect(vendor.lookUps).toHaveLength(2);
    await letTimePass();
    vendor.accepts(at(-30));
    await step();
    expect(vendor.lookUps).toHaveLength(3);
    expect(vendor.purchases.map(({ reference }) => reference)).toEqual([orderId, orderId]);
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    expect(await storyOf(orderId)).toEqual([
      ...['placed', 'sent', 'unknown', 'lookedUp', 'lookedUp', 'lookedUp'],
      ...['sent', 'completed'],
    ]);
  });

  it('does not look up sooner than the vendor has asked for, though “not found” would prove something then', async () => {
    vendor.onPurchase = () => 'drop';
    vendor.onLookUp = () => ({ status: 429, headers: { 'retry-after': '600' } });
    await place();
    await step();
    await step();
    const [{ seconds }] = await app.dataSource.query(
      'SELECT extract(epoch FROM due_at - now())::integer AS seconds FROM outbox',
    );
    expect(seconds).toBeGreaterThan(590);
  });

  it('counts on a purchase that begins as late as the claim covers it: a frozen worker may send it then', async () => {
    let uncoveredMs = NaN;
    vendor.onPurchase = async () => {
      [{ uncoveredMs }] = await app.dataSource.query(
        `SELECT (extract(epoch FROM claimed_until - deadline_at) * 1000)::float8 AS "uncoveredMs"
         FROM dispatch_attempts JOIN orders USING (order_id)`,
      );
      return 'drop' as const;
    };
    await place();
    await step();
    expect(uncoveredMs).toBeLessThan(100);
  });

  it('waits while the vendor says pending', async () => {
    vendor.onPurchase = () => ({ status: 500 });
    const orderId = await place();
    await step();
    await letTimePass();
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30), status: 'pending' } });
    await step();
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending' });
    expect(vendor.purchases).toHaveLength(1);
  });

  it('looks up after a crash between the commit of the attempt and the answer', async () => {
    // The crash: the process is gone while the vendor has the order, and nothing of the answer is recorded.
    vendor.accepts(at(-30));
    const orderId = await place();
    const [message] = await app.takeMessages();
    vendor.onPurchase = () => ({ hang: new Promise(() => undefined) });
    const abandoned = app.context.get(Dispatch).dispatch(message!);
    await waitFor(() => vendor.purchases.length === 1, { withinMs: 5000, what: 'the purchase to be sent' });
    await letTimePass();
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-9', acceptedAt: at(-30) } });
    await app.context.get(Dispatch).dispatch(message!);
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-9' });
    expect(vendor.purchases).toHaveLength(1);
    await abandoned;
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-9' });
    expect(await slotsInUse()).toBe(0);
  });

  it('keeps an answer that comes with an old token', async () => {
    let answer = (_: ScriptedAnswer): void => undefined;
    vendor.onPurchase = () => new Promise((resolve) => (answer = resolve));
    const orderId = await place();
    const [message] = await app.takeMessages();
    const slow = app.context.get(Dispatch).dispatch(message!);
    await waitFor(() => vendor.purchases.length === 1, { withinMs: 5000, what: 'the purchase to be sent' });
    await app.dataSource.query(
      `UPDATE orders SET claim_token = claim_token + 1000, claimed_until = now() + interval '1 hour'`,
    );
    answer({ status: 201, body: { vendorOrderId: 'V-5', acceptedAt: at(-30) } });
    await slow;
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-5' });
  });

  it('writes an answer down once more where the database failed', async () => {
    vendor.accepts(at(-30));
    const orderId = await place();
    const lost = Object.assign(new Error('terminating connection'), { code: '57P01' });
    const record = jest.spyOn(app.context.get(AcceptanceRepository), 'complete').mockRejectedValueOnce(lost);
    await step();
    record.mockRestore();
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    expect(vendor.lookUps).toEqual([]);
  });

  /** The vendor's acceptance arrives after its books had said that it refused. */
  async function acceptedTooLate(): Promise<string> {
    let answer = (_: ScriptedAnswer): void => undefined;
    vendor.onPurchase = () => new Promise((resolve) => (answer = resolve));
    const orderId = await place();
    const [message] = await app.takeMessages();
    const slow = app.context.get(Dispatch).dispatch(message!);
    await waitFor(() => vendor.purchases.length === 1, { withinMs: 5000, what: 'the purchase to be sent' });
    await letTimePass();
    vendor.onLookUp = () => ({ status: 200, body: { status: 'refused', code: 'OUT_OF_STOCK' } });
    await app.context.get(Dispatch).dispatch(message!);
    expect(await orderOf(orderId)).toMatchObject({ status: 'failed' });
    answer({ status: 201, body: { vendorOrderId: 'V-5', acceptedAt: at(-30) } });
    await slow;
    expect((await storyOf(orderId)).at(-1)).toBe('lateAnswer');
    return orderId;
  }

  it('does not take a refusal that a frozen worker heard for one of what was sent meanwhile', async () => {
    const answers: ((answer: ScriptedAnswer) => void)[] = [];
    vendor.onPurchase = () => new Promise((resolve) => answers.push(resolve));
    vendor.onLookUp = () => NOT_FOUND;
    const orderId = await place();
    const [message] = await app.takeMessages();
    const dispatched = async () => {
      const sent = answers.length + 1;
      const ended = app.context.get(Dispatch).dispatch(message!);
      await waitFor(() => answers.length === sent, { withinMs: 5000, what: 'the purchase to be sent' });
      return { ended };
    };
    const frozen = await dispatched();
    await letTimePass();
    const later = await dispatched();
    answers[0]!({ status: 409, body: { code: 'OUT_OF_STOCK', message: '' } });
    await frozen.ended;
    expect([await orderOf(orderId), await reserved()]).toMatchObject([{ status: 'pending' }, 1]);
    answers[1]!({ status: 201, body: { vendorOrderId: 'V-6', acceptedAt: at(-30) } });
    await later.ended;
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-6' });
    expect(await slotsInUse()).toBe(0);
  });

  it('has the vendor cancel what it accepts after the order had failed', async () => {
    const orderId = await acceptedTooLate();
    vendor.onCancel = () => ({ status: 503 });
    expect(await step()).toBe(1);
    vendor.onCancel = () => ({ status: 204 });
    expect(await step()).toBe(1);
    expect(vendor.cancels).toEqual([orderId, orderId]);
    expect(await orderOf(orderId)).toMatchObject({
      status: 'failed',
      failureReason: 'OUT_OF_STOCK',
      needsAttention: false,
    });
    expect((await storyOf(orderId)).slice(-3)).toEqual(['lateAnswer', 'cancelUnanswered', 'recalled']);
    expect(await reserved()).toBe(0);
    expect(await slotsInUse()).toBe(0);
    expect(await step()).toBe(0);
  });

  it('believes a vendor that cannot find what it accepted after the order had failed only once its lag has passed', async () => {
    const orderId = await acceptedTooLate();
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, consistencyLagMs: 60_000 });
    vendor.onCancel = () => NOT_FOUND;
    vendor.onLookUp = () => NOT_FOUND;
    await step();
    expect((await storyOf(orderId)).slice(-2)).toEqual(['lateAnswer', 'cancelUnanswered']);
    await app.dataSource.query(`UPDATE orders SET recall_requested_at = recall_requested_at - interval '1 hour'`);
    await step();
    expect((await storyOf(orderId)).at(-1)).toBe('recalled');
    expect(await step()).toBe(0);
  });

  it('believes it in the same way where a restored database knows of no attempt', async () => {
    const orderId = await acceptedTooLate();
    await app.dataSource.query('DELETE FROM dispatch_attempts');
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, consistencyLagMs: 60_000 });
    vendor.onCancel = () => NOT_FOUND;
    vendor.onLookUp = () => NOT_FOUND;
    await step();
    expect((await storyOf(orderId)).slice(-2)).toEqual(['lateAnswer', 'cancelUnanswered']);
  });

  it('has it cancelled all the same where a frozen worker had heard a refusal before', async () => {
    const orderId = await acceptedTooLate();
    const before = { orderId, vendorId: 'acme', productId: 'acme:A', token: '0' } as Claim;
    const refusal: Refused = { outcome: 'refused', reason: 'OUT_OF_STOCK', detail: 'has none left' };
    await app.context.get(Outcome).refused(before, refusal);
    expect((await storyOf(orderId)).at(-1)).toBe('lateAnswer');
  });

  it('asks an operator where the vendor keeps what it accepted after the order had failed', async () => {
    const orderId = await acceptedTooLate();
    vendor.onCancel = () => ({ status: 409, body: { code: 'TOO_LATE', message: '' } });
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-5', acceptedAt: at(-30), status: 'accepted' } });
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'failed', needsAttention: true });
    expect(await reserved()).toBe(0);
    expect(await app.dataSource.query('SELECT order_id FROM dead_letters')).toEqual([{ order_id: orderId }]);
    expect(await step()).toBe(0);
  });

  it('sends again at once what was certainly not sent, and counts no attempt', async () => {
    await app.register({ vendorId: 'acme', baseUrl: `http://127.0.0.1:${await freePort()}` });
    const orderId = await place();
    // One more, and the vendor would be left alone for a while.
    for (let tries = 0; tries < 4; tries++) await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: false });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    vendor.accepts(at(-30));
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    expect(vendor.lookUps).toEqual([]);
  });

  it('does not send without the vendor’s credential, and never shows it', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, credentialEnv: 'VENDOR_TOKEN_TEST_ACME' });
    const orderId = await place();
    await step();
    expect(vendor.purchases).toEqual([]);
    let authorization: string | undefined;
    vendor.onPurchase = ({ headers }) => {
      authorization = headers.authorization;
      return { status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } };
    };
    process.env['VENDOR_TOKEN_TEST_ACME'] = 's3cret';
    await step();
    delete process.env['VENDOR_TOKEN_TEST_ACME'];
    expect(authorization).toBe('Bearer s3cret');
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
  });

  it('asks for attention when its attempts are used up, keeps the stock held and leaves a dead letter', async () => {
    vendor.onPurchase = () => ({ status: 500 });
    const orderId = await place();
    for (let attempt = 0; attempt < 4; attempt++) {
      await step();
      await letTimePass();
    }
    expect(vendor.purchases).toHaveLength(3);
    expect(await orderOf(orderId)).toMatchObject({
      status: 'pending',
      needsAttention: true,
      attentionReason: expect.stringMatching(/3 purchases/),
    });
    expect(await reserved()).toBe(1);
    expect(await app.dataSource.query('SELECT order_id, status FROM dead_letters')).toEqual([
      { order_id: orderId, status: 'open' },
    ]);
    expect(await step()).toBe(0);
  });

  it('asks for attention when the order has grown too old', async () => {
    vendor.onPurchase = () => ({ status: 500 });
    vendor.onLookUp = () => ({ status: 500 });
    const orderId = await place();
    await step();
    await app.dataSource.query(`UPDATE orders SET created_at = created_at - interval '2 days'`);
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
    expect(await reserved()).toBe(1);
  });

  it('does nothing for a message that comes again', async () => {
    vendor.accepts(at(-30));
    await place();
    const [message] = await app.takeMessages();
    await app.context.get(Dispatch).dispatch(message!);
    await app.context.get(Dispatch).dispatch(message!);
    expect(vendor.purchases).toHaveLength(1);
  });

  it('leaves an order alone that is in another hand, and comes back for it', async () => {
    let answer = (_: ScriptedAnswer): void => undefined;
    vendor.onPurchase = () => new Promise((resolve) => (answer = resolve));
    const orderId = await place();
    const [message] = await app.takeMessages();
    const first = app.context.get(Dispatch).dispatch(message!);
    await waitFor(() => vendor.purchases.length === 1, { withinMs: 5000, what: 'the purchase to be sent' });
    await app.context.get(Dispatch).dispatch(message!);
    expect([vendor.purchases, vendor.lookUps]).toMatchObject([[{ reference: orderId }], []]);
    answer({ status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
    await first;
    expect(await step()).toBe(1);
    expect([vendor.purchases, vendor.lookUps]).toMatchObject([[{ reference: orderId }], []]);
  });

  it('never has more calls under way than the vendor has slots', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, maxConcurrentOrders: 2 });
    let underWay = 0;
    let most = 0;
    vendor.onPurchase = async ({ body }) => {
      most = Math.max(most, ++underWay);
      // The first two meet, so that a third would have joined them.
      await waitFor(() => most >= 2, { withinMs: VENDOR_TIMEOUT_MS, what: 'a second call' });
      most = Math.max(most, underWay, await slotsInUse());
      underWay -= 1;
      return { status: 201, body: { vendorOrderId: (body as { reference: string }).reference, acceptedAt: at(-30) } };
    };
    for (let orders = 0; orders < 8; orders++) await place();
    await step();
    expect(vendor.purchases).toHaveLength(8);
    expect(most).toBe(2);
  });

  it('cannot read a message of another type, or without an order', async () => {
    await place();
    const [message] = await app.takeMessages();
    await expect(app.context.get(Dispatch).dispatch({ ...message!, type: 'order.placed.v9' })).rejects.toThrow(
      UnreadableMessage,
    );
    await expect(app.context.get(Dispatch).dispatch({ ...message!, payload: {} })).rejects.toThrow(UnreadableMessage);
  });
});
