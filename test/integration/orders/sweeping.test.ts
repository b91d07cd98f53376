import { Broker } from '../../../src/messaging/broker';
import { DeadLetterRepository } from '../../../src/messaging/dead-letters/dead-letter.repository';
import { Outbox } from '../../../src/messaging/outbox';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { Revival } from '../../../src/orders/fulfilment/revival';
import { SweepRepository } from '../../../src/orders/fulfilment/sweep.repository';
import { Sweeper } from '../../../src/orders/fulfilment/sweeper';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Exposition } from '../../../src/observability/metrics/exposition';
import { Placement } from '../../../src/orders/placement/placement';
import { rows } from '../../../src/database/sql';
import { createApp, type TestApp } from '../../support/app';
import { parseMetrics, valueOf } from '../../support/metrics';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

const STOCK = 1000;
const NO_AGE_MS = 0;

describe('the sweeper', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: STOCK });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await vendor.close();
    await app.close();
  });

  const sweep = () => app.context.get(Sweeper).runOnce(NO_AGE_MS);
  const orderOf = (orderId: string) => app.context.get(OrderQueries).get(orderId);

  async function place(): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    return order.orderId;
  }

  async function placeAndLose(orders = 1): Promise<string[]> {
    const placed: string[] = [];
    for (let order = 0; order < orders; order++) placed.push(await place());
    await app.takeMessages();
    return placed;
  }

  const subjects = async () => (await app.takeMessages()).map(({ subject }) => subject);

  it('sends again what has no message, and nothing that has one', async () => {
    const [lost] = await placeAndLose();
    const waiting = await place();
    await sweep();
    await sweep();
    expect((await subjects()).toSorted()).toEqual([lost, waiting].toSorted());
  });

  it('counts what it sends again', async () => {
    const counted = async () =>
      valueOf(parseMetrics(await app.context.get(Exposition).text()), 'holdfast_sweeper_reemitted_total');
    expect(await counted()).toBe(0);
    await placeAndLose(3);
    await sweep();
    await sweep();
    expect(await counted()).toBe(3);
  });

  it('lets an order be bought whose message was lost', async () => {
    const [lost] = await placeAndLose();
    vendor.accepts(at(-30));
    await sweep();
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
    expect(await orderOf(lost!)).toMatchObject({ status: 'completed' });
    await sweep();
    expect(await subjects()).toEqual([]);
  });

  it('sends only as many as are missing at the broker, the oldest', async () => {
    const [oldest] = await placeAndLose(3);
    jest.spyOn(app.context.get(Broker), 'waiting').mockResolvedValue(2);
    await sweep();
    expect(await subjects()).toEqual([oldest]);
  });

  it('sends nothing while the broker cannot be asked', async () => {
    await placeAndLose();
    jest.spyOn(app.context.get(Broker), 'waiting').mockResolvedValue(undefined);
    await sweep();
    expect(await subjects()).toEqual([]);
  });

  it.each([
    ['is in somebody’s hand', `claimed_until = now() + interval '1 minute'`],
    ['waits for an operator', `needs_attention = true, attention_reason = 'why'`],
    ['is decided', `status = 'failed', failure_reason = 'REFUSED', hold_state = 'released'`],
  ])('leaves alone what %s', async (_, state) => {
    await placeAndLose();
    await app.dataSource.query(`UPDATE orders SET ${state}`);
    await sweep();
    expect(await subjects()).toEqual([]);
  });

  it('leaves alone what was placed a moment ago: its message may be on its way', async () => {
    await placeAndLose();
    await app.context.get(Sweeper).runOnce();
    expect(await subjects()).toEqual([]);
  });

  it('sends again what its vendor is to cancel after it had failed', async () => {
    const [recalled] = await placeAndLose();
    await app.dataSource.query(
      `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released', recall_requested_at = now()`,
    );
    await sweep();
    expect(await subjects()).toEqual([recalled]);
  });

  it('has an operator asked about what became a dead letter, instead of sending it once more', async () => {
    const [orderId] = await placeAndLose();
    await app.dataSource.query(
      `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload) VALUES ('d', 'acme', $1, 'It failed.', '{}')`,
      [orderId],
    );
    await sweep();
    expect(await subjects()).toEqual([]);
    expect(await orderOf(orderId!)).toMatchObject({ needsAttention: true, attentionReason: 'It failed.' });
    const events = await app.dataSource.query('SELECT type, detail FROM order_events ORDER BY event_id DESC LIMIT 1');
    expect(events).toEqual([{ type: 'attentionNeeded', detail: 'It failed.' }]);
  });

  it('has an operator asked once about what has grown too old, and keeps its stock', async () => {
    const orderId = await place();
    await app.dataSource.query(`UPDATE orders SET created_at = created_at - interval '2 days'`);
    await sweep();
    await sweep();
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
    expect(await app.dataSource.query('SELECT order_id FROM dead_letters')).toEqual([{ order_id: orderId }]);
    const [product] = await app.dataSource.query('SELECT reserved_quantity FROM products');
    expect(product.reserved_quantity).toBe(1);
  });

  it('counts the age of what is to be cancelled from when that was asked for', async () => {
    const orderId = await place();
    const askedAgo = (age: string) =>
      app.dataSource.query(
        `UPDATE orders SET created_at = now() - interval '3 days', cancel_requested_at = now() - $1::interval`,
        [age],
      );
    await askedAgo('23 hours');
    await sweep();
    expect(await orderOf(orderId)).toMatchObject({ needsAttention: false });
    await askedAgo('2 days');
    await sweep();
    expect(await orderOf(orderId)).toMatchObject({
      needsAttention: true,
      attentionReason: expect.stringMatching(/^It has not been cancelled at its vendor within/),
    });
  });

  it('has an operator asked once about what its vendor was to cancel for too long', async () => {
    const orderId = await place();
    const recalledAgo = (age: string) =>
      app.dataSource.query(
        `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released',
                recall_requested_at = now() - $1::interval`,
        [age],
      );
    await recalledAgo('1 hour');
    await sweep();
    expect(await orderOf(orderId)).toMatchObject({ status: 'failed', needsAttention: false });
    await recalledAgo('2 days');
    await sweep();
    await sweep();
    expect(await orderOf(orderId)).toMatchObject({
      status: 'failed',
      needsAttention: true,
      attentionReason: expect.stringMatching(/^It failed here, its vendor accepted it, and has not cancelled it/),
    });
    expect(await app.dataSource.query('SELECT order_id FROM dead_letters')).toEqual([{ order_id: orderId }]);
  });

  it('counts the age of what was replayed from the replay', async () => {
    const orderId = await place();
    await app.dataSource.query(`UPDATE orders SET created_at = created_at - interval '2 days'`);
    await sweep();
    await replay(orderId);
    await sweep();
    expect(await orderOf(orderId)).toMatchObject({ needsAttention: false });
    await app.dataSource.query(`UPDATE orders SET tried_from = tried_from - interval '2 days'`);
    await sweep();
    expect(await orderOf(orderId)).toMatchObject({ needsAttention: true });
  });

  it('takes no dead letter of before a replay for the loss of the message after it', async () => {
    const [orderId] = await placeAndLose();
    for (const deadLetterId of ['d', 'e'])
      await app.dataSource.query(
        `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload)
         VALUES ('${deadLetterId}', 'acme', '${orderId}', 'It failed.', '{}')`,
      );
    await sweep();
    await replay(orderId!, 'd');
    await app.takeMessages();
    await sweep();
    expect(await orderOf(orderId!)).toMatchObject({ needsAttention: false });
    expect(await subjects()).toEqual([orderId]);
  });

  /** As replaying one of its letters does. */
  async function replay(orderId: string, deadLetterId?: string): Promise<void> {
    const revival = app.context.get(Revival);
    await app.dataSource.transaction(async (tx) => {
      const messages = await revival.revive(tx, await revival.lock(tx, [orderId]), 'desk');
      await app.context.get(Outbox).enqueue(tx, messages);
      await app.context
        .get(DeadLetterRepository)
        .decide(tx, [deadLetterId ?? ''], 'replayed', { client: 'desk', apiKeyId: 'k' });
    });
  }

  it('reads open orders only, however many there are of others', async () => {
    await app.dataSource.query(
      `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, status, hold_state,
                           available_quantity, client)
       SELECT 'past-' || n, 'acme', 'acme:A', 1, 10, 10, 'USD', 'completed', 'settled', 1, 'past'
       FROM generate_series(1, 20000) n`,
    );
    await placeAndLose(3);
    await app.dataSource.query('ANALYZE orders');
    const plans: string[] = [];
    const explaining = {
      query: async (statement: string, values: unknown[]) => {
        plans.push(JSON.stringify(await rows(app.dataSource.manager, `EXPLAIN ${statement}`, values)));
        return [];
      },
    } as unknown as Parameters<SweepRepository['count']>[0];
    const repository = new SweepRepository();
    await repository.count(explaining, NO_AGE_MS);
    await repository.lockOldest(explaining, 'acme', NO_AGE_MS, 10);
    await repository.flagGivenUp(explaining, NO_AGE_MS);
    await repository.flagTooOld(explaining, 1, { notPlaced: 'old', notCancelled: 'old', notRecalled: 'old' });
    expect(plans).toHaveLength(4);
    for (const plan of plans) expect(plan).not.toContain('Seq Scan on orders');
  });
});
