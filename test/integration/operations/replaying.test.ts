import { newId } from '../../../src/database/new-id';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { DeadLetterQueries } from '../../../src/operations/dead-letters/dead-letter-queries';
import { Replay, type Replayed } from '../../../src/operations/dead-letters/replay';
import { createApp, type TestApp } from '../../support/app';
import { type ScriptedAnswer, ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const BY = { client: 'desk', apiKeyId: 'k-1' };
const STOCK = 2_000;
const VENDOR_TIMEOUT_MS = 2_000;
const DAY_MS = 86_400_000;

describe('replaying', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp({ VENDOR_TIMEOUT_MS: String(VENDOR_TIMEOUT_MS), DELIVERY_ATTEMPTS_MAX: '2' });
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: STOCK });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  const replay = () => app.context.get(Replay);
  const dispatch = () => app.context.get(Dispatch);
  const orderOf = (orderId: string) => app.context.get(OrderQueries).get(orderId);
  const storyOf = async (orderId: string) =>
    (await app.context.get(OrderQueries).events(orderId)).map(({ type }) => type);
  const lettersOf = async () =>
    (await app.context.get(DeadLetterQueries).list({ limit: 50 })).map(({ letter }) => letter);
  const query = (statement: string, values: unknown[] = []) => app.dataSource.query(statement, values);

  async function place(): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    return order.orderId;
  }

  async function step(): Promise<number> {
    const messages = await app.takeMessages();
    await Promise.all(messages.map((message) => dispatch().dispatch(message)));
    return messages.length;
  }

  async function letTimePass(): Promise<void> {
    await query(`UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`);
    await query(`UPDATE orders SET claimed_until = claimed_until - interval '1 hour'`);
    await query(`UPDATE vendor_slots SET leased_until = leased_until - interval '1 hour'`);
  }

  /** An order whose vendor never answered and never had it. */
  async function giveUp(): Promise<string> {
    vendor.onPurchase = () => ({ status: 500 });
    const orderId = await place();
    for (let round = 0; round < 3; round++) {
      await step();
      await letTimePass();
    }
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
    return orderId;
  }

  /** An order that grew too old while its vendor would not even answer look-ups: nobody knows what became of it. */
  async function loseTrackOf(): Promise<string> {
    vendor.onPurchase = () => 'drop';
    vendor.onLookUp = () => ({ status: 500 });
    const orderId = await place();
    await step();
    await query(`UPDATE orders SET created_at = created_at - interval '2 days' WHERE order_id = $1`, [orderId]);
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
    return orderId;
  }

  async function letter(more: { orderId?: string | null; vendorId?: string; payload?: object }): Promise<string> {
    const deadLetterId = newId();
    await query(
      `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload) VALUES ($1, $2, $3, 'why', $4)`,
      [deadLetterId, more.vendorId ?? 'acme', more.orderId ?? null, JSON.stringify(more.payload ?? {})],
    );
    return deadLetterId;
  }

  const onlyLetter = async () => (await lettersOf())[0]!.deadLetterId;
  const sum = (told: Replayed[], of: 'matched' | 'replayed') => told.reduce((total, one) => total + one[of], 0);

  describe('one', () => {
    it('puts its order back on its way with fresh patience, and tells who asked', async () => {
      const orderId = await giveUp();
      expect(await lettersOf()).toMatchObject([
        { orderId, vendorId: 'acme', status: 'open', attempts: [{ outcome: 'unknown' }, { outcome: 'unknown' }] },
      ]);
      expect(await replay().one(await onlyLetter(), BY)).toEqual({ matched: 1, replayed: 1, dryRun: false });
      expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: false, attentionReason: null });
      expect(await lettersOf()).toMatchObject([
        { status: 'replayed', decidedBy: 'desk', decidedAt: expect.any(String) },
      ]);
      vendor.accepts(at(-30));
      expect(await step()).toBe(1);
      expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
      expect((await storyOf(orderId)).slice(-4)).toEqual(['attentionNeeded', 'replayed', 'sent', 'completed']);
      const events = await app.context.get(OrderQueries).events(orderId);
      expect(events.find(({ type }) => type === 'replayed')?.detail).toContain('desk');
    });

    it('lets it use as many attempts again, and then asks for attention again, with another letter', async () => {
      const orderId = await giveUp();
      expect(vendor.purchases).toHaveLength(2);
      await replay().one(await onlyLetter(), BY);
      for (let round = 0; round < 3; round++) {
        await step();
        await letTimePass();
      }
      expect(vendor.purchases).toHaveLength(4);
      expect(await orderOf(orderId)).toMatchObject({ needsAttention: true });
      expect(await lettersOf()).toMatchObject([{ status: 'open' }, { status: 'replayed' }]);
      expect((await lettersOf())[0]!.attempts).toHaveLength(4);
    });

    it('counts its age from the replay', async () => {
      const orderId = await loseTrackOf();
      await replay().one(await onlyLetter(), BY);
      await step();
      expect(await orderOf(orderId)).toMatchObject({ needsAttention: false });
      await query(`UPDATE orders SET tried_from = tried_from - interval '${DAY_MS + 1} ms'`);
      await step();
      expect(await orderOf(orderId)).toMatchObject({ needsAttention: true });
    });

    it('looks up first what an attempt had left open, and buys nothing that the vendor has', async () => {
      const orderId = await loseTrackOf();
      await replay().one(await onlyLetter(), BY);
      vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
      await step();
      expect(vendor.purchases).toHaveLength(1);
      expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-1' });
    });

    it('twice, at once or one after the other, sends its order once', async () => {
      const orderId = await giveUp();
      const deadLetterId = await onlyLetter();
      const told = await Promise.all(Array.from({ length: 8 }, () => replay().one(deadLetterId, BY)));
      expect([sum(told, 'matched'), sum(told, 'replayed')]).toEqual([1, 1]);
      expect(await replay().one(deadLetterId, BY)).toEqual({ matched: 0, replayed: 0, dryRun: false });
      vendor.accepts(at(-30));
      expect(await step()).toBe(1);
      expect(vendor.purchases.filter(({ reference }) => reference === orderId)).toHaveLength(3);
      expect((await storyOf(orderId)).filter((type) => type === 'replayed')).toHaveLength(1);
      expect(await replay().one(deadLetterId, BY)).toMatchObject({ matched: 0 });
      expect(await step()).toBe(0);
    });

    it('while the order is in a worker’s hand buys it once', async () => {
      const orderId = await giveUp();
      const deadLetterId = await onlyLetter();
      const second = await letter({ orderId });
      await replay().one(deadLetterId, BY);
      let answer = (_: ScriptedAnswer): void => undefined;
      vendor.onPurchase = () => new Promise((resolve) => (answer = resolve));
      const before = vendor.purchases.length;
      const [message] = await app.takeMessages();
      const first = dispatch().dispatch(message!);
      await waitFor(() => vendor.purchases.length === before + 1, { withinMs: 5000, what: 'the purchase to be sent' });
      expect(await replay().one(second, BY)).toMatchObject({ replayed: 1 });
      expect(await step()).toBe(1);
      answer({ status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
      await first;
      await step();
      expect(await step()).toBe(0);
      expect(vendor.purchases).toHaveLength(before + 1);
      expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-1' });
    });

    it('whose order has its next message waiting sends no second one', async () => {
      const orderId = await place();
      expect(await replay().one(await letter({ orderId }), BY)).toMatchObject({ replayed: 1 });
      expect(await app.takeMessages()).toHaveLength(1);
    });

    it('of a message that nobody could read sends the order it names, to the order’s own vendor', async () => {
      const orderId = await place();
      await app.takeMessages();
      const unreadable = { vendorId: 'globex', orderId, payload: { body: 'not JSON', subject: orderId } };
      expect(await replay().one(await letter(unreadable), BY)).toMatchObject({ replayed: 1 });
      expect(await app.takeMessages()).toMatchObject([
        { type: 'order.placed.v1', vendorId: 'acme', subject: orderId, payload: { orderId } },
      ]);
    });

    it.each([
      ['names no order', null, /names no order/],
      ['names an order that does not exist', '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d', /no such order/],
    ])('that %s is refused, and stays open', async (_, orderId, why) => {
      const deadLetterId = await letter({ orderId });
      await expect(replay().one(deadLetterId, BY)).rejects.toMatchObject({
        code: 'DEAD_LETTER_NOT_REPLAYABLE',
        message: expect.stringMatching(why),
      });
      expect(await lettersOf()).toMatchObject([{ status: 'open', decidedAt: null }]);
    });

    it('about an order that was decided meanwhile dismisses it and sends nothing', async () => {
      const orderId = await giveUp();
      await query(
        `UPDATE orders SET needs_attention = false, attention_reason = NULL, status = 'failed',
        failure_reason = 'CANCELLED', hold_state = 'released' WHERE order_id = $1`,
        [orderId],
      );
      expect(await replay().one(await onlyLetter(), BY)).toEqual({ matched: 1, replayed: 0, dryRun: false });
      expect(await lettersOf()).toMatchObject([{ status: 'dismissed', decidedBy: 'desk' }]);
      expect(await app.takeMessages()).toEqual([]);
    });

    it('of an order that was accepted too late, and whose cancellation nobody confirmed, asks its vendor again', async () => {
      const orderId = await loseTrackOf();
      await query(
        `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released',
           recall_requested_at = now() WHERE order_id = $1`,
        [orderId],
      );
      expect(await replay().many({}, true, BY)).toMatchObject({ matched: 1, replayed: 1 });
      expect(await replay().one(await onlyLetter(), BY)).toMatchObject({ replayed: 1 });
      await step();
      expect(vendor.cancels).toEqual([orderId]);
      expect(vendor.purchases).toHaveLength(1);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', needsAttention: false });
      expect((await storyOf(orderId)).slice(-2)).toEqual(['replayed', 'recalled']);
    });

    it('about an acceptance that its vendor will not take back is refused: sending does not mend it', async () => {
      const orderId = await place();
      await app.takeMessages();
      await query(
        `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released',
        needs_attention = true, attention_reason = 'late' WHERE order_id = $1`,
        [orderId],
      );
      const deadLetterId = await letter({ orderId, payload: { orderId, vendorOrderId: 'V-5' } });
      await expect(replay().one(deadLetterId, BY)).rejects.toMatchObject({
        code: 'DEAD_LETTER_NOT_REPLAYABLE',
        message: expect.stringContaining('V-5'),
      });
      expect(await replay().many({}, false, BY)).toEqual({ matched: 1, replayed: 0, dryRun: false });
      expect(await lettersOf()).toMatchObject([{ status: 'open' }]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', needsAttention: true });
    });

    it('of an order whose cancellation nobody confirmed asks its vendor again', async () => {
      const orderId = await loseTrackOf();
      await query('UPDATE orders SET cancel_requested_at = now() WHERE order_id = $1', [orderId]);
      await replay().one(await onlyLetter(), BY);
      await step();
      expect(vendor.cancels).toEqual([orderId]);
      expect(vendor.purchases).toHaveLength(1);
      expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
    });
  });

  describe('many', () => {
    const ORDERS = 1_000;

    /** Orders that wait for an operator, with a letter each. */
    async function pileUp(orders: number, vendorId = 'acme'): Promise<void> {
      const places = Array.from({ length: orders }, () =>
        app.context.get(Placement).place({ productId: `${vendorId}:A`, quantity: 1 }, { client: 'test' }),
      );
      await Promise.all(places);
      await query('DELETE FROM outbox WHERE vendor_id = $1', [vendorId]);
      await query(`UPDATE orders SET needs_attention = true, attention_reason = 'why' WHERE vendor_id = $1`, [
        vendorId,
      ]);
      await query(
        `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload)
         SELECT gen_random_uuid(), vendor_id, order_id, 'why', jsonb_build_object('orderId', order_id)
         FROM orders WHERE vendor_id = $1`,
        [vendorId],
      );
    }

    const counts = async (): Promise<Record<string, number>> => {
      const found: { status: string; count: number }[] = await query(
        'SELECT status, count(*)::integer AS count FROM dead_letters GROUP BY status',
      );
      return Object.fromEntries(found.map(({ status, count }) => [status, count]));
    };

    it('sends a thousand orders, spread over time, each once, whoever else replays them too', async () => {
      await pileUp(ORDERS);
      await letter({});
      await letter({ orderId: newId() });
      const wouldBe = { matched: ORDERS + 2, replayed: ORDERS };
      expect(await replay().many({}, true, BY)).toEqual({ ...wouldBe, dryRun: true });
      expect([await counts(), await query('SELECT FROM outbox')]).toEqual([{ open: ORDERS + 2 }, []]);
      const some = (await lettersOf()).filter(({ orderId }) => orderId !== null).slice(5, 10);
      const told = await Promise.all([
        ...Array.from({ length: 3 }, () => replay().many({}, false, BY)),
        ...some.map(({ deadLetterId }) => replay().one(deadLetterId, BY)),
      ]);
      expect(sum(told, 'replayed')).toBe(ORDERS);
      expect(await counts()).toEqual({ open: 2, replayed: ORDERS });
      expect(await replay().many({}, false, BY)).toEqual({ matched: 2, replayed: 0, dryRun: false });

      const [{ busiest, seconds }] = await query(
        `SELECT max(due)::integer AS busiest, count(*)::integer AS seconds
         FROM (SELECT count(*) AS due FROM outbox GROUP BY floor(extract(epoch FROM due_at))) AS each_second`,
      );
      // The five of the single replays are due at once.
      expect(busiest).toBeLessThanOrEqual(20 + some.length + 1);
      expect(seconds).toBeGreaterThanOrEqual(49);

      vendor.accepts(at(-30));
      const messages = await app.takeMessages();
      expect(new Set(messages.map(({ subject }) => subject)).size).toBe(ORDERS);
      expect(messages).toHaveLength(ORDERS);
      while (messages.length > 0)
        await Promise.all(messages.splice(0, 20).map((message) => dispatch().dispatch(message)));
      expect(vendor.purchases).toHaveLength(ORDERS);
      expect(new Set(vendor.purchases.map(({ reference }) => reference)).size).toBe(ORDERS);
      expect(await query(`SELECT FROM orders WHERE status <> 'completed'`)).toEqual([]);
    }, 120_000);

    it('takes only those of a vendor, or of before a time', async () => {
      vendor.lists(at(-60), { A: 10 });
      await app.register({ vendorId: 'globex', baseUrl: vendor.baseUrl });
      await app.sync('globex');
      await pileUp(3);
      await pileUp(2, 'globex');
      const before = new Date(Date.now() + 60_000).toISOString();
      await query(`UPDATE dead_letters SET created_at = now() + interval '1 hour'
        WHERE dead_letter_id = (SELECT max(dead_letter_id) FROM dead_letters WHERE vendor_id = 'acme')`);
      expect(await replay().many({ vendorId: 'nobody' }, false, BY)).toMatchObject({ matched: 0, replayed: 0 });
      expect(await replay().many({ vendorId: 'globex' }, false, BY)).toMatchObject({ matched: 2, replayed: 2 });
      expect(await replay().many({ vendorId: 'acme', before }, false, BY)).toMatchObject({ matched: 2, replayed: 2 });
      expect(await replay().many({}, true, BY)).toMatchObject({ matched: 1, replayed: 1 });
    });

    it('sends an order once that two letters name', async () => {
      await pileUp(3);
      await pileUp(0);
      expect(await counts()).toEqual({ open: 6 });
      expect(await replay().many({}, false, BY)).toMatchObject({ matched: 6, replayed: 6 });
      expect(await app.takeMessages()).toHaveLength(3);
    });

    it('keeps what it decided before the database failed, and the next replay goes on', async () => {
      await pileUp(250);
      const queries = app.context.get(Replay)['letters'];
      const openAfter = queries.openAfter.bind(queries);
      let batches = 0;
      jest.spyOn(queries, 'openAfter').mockImplementation((...args) => {
        batches += 1;
        return batches === 2 ? Promise.reject(new Error('Connection terminated unexpectedly')) : openAfter(...args);
      });
      await expect(replay().many({}, false, BY)).rejects.toThrow('terminated');
      expect(await counts()).toEqual({ open: 150, replayed: 100 });
      expect(await replay().many({}, false, BY)).toEqual({ matched: 150, replayed: 150, dryRun: false });
      expect(await app.takeMessages()).toHaveLength(250);
      jest.restoreAllMocks();
    });
  });
});
