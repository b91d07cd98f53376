import { uuidv7 } from 'uuidv7';
import { Replay } from '../../../src/operations/dead-letters/replay';
import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { OrderNotCancellable } from '../../../src/orders/orders.errors';
import { Batch } from '../../../src/orders/placement/batch';
import { Placement } from '../../../src/orders/placement/placement';
import type { Asked } from '../../../src/orders/placement/verdict';
import { createApp, type TestApp } from '../../support/app';
import { deadlocks } from '../../support/deadlocks';
import { lockWaits } from '../../support/lock-waits';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const SKUS = ['a', 'B', 'c', 'É', 'z-1', 'z'];
const ROUNDS = 12;

/** Placement, outcome, cancellation, replay and sync at once on the same rows. */
describe('the one lock order: products, then orders', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, maxConcurrentOrders: 16 });
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  it('keeps writers of the same rows from ever deadlocking, and the counters right', async () => {
    let second = -600;
    const list = (): void => vendor.lists(at(++second), Object.fromEntries(SKUS.map((sku) => [sku, 1000 + second])));
    list();
    await app.sync('acme');
    vendor.onPurchase = ({ body }) => {
      const { reference, quantity } = body as { reference: string; quantity: number };
      if (quantity === 3) return { status: 409, body: { code: 'OUT_OF_STOCK', message: '' } };
      return { status: 201, body: { vendorOrderId: reference, acceptedAt: at(second - 1) } };
    };
    for (let round = 0; round < ROUNDS; round++) {
      list();
      const messages = await app.takeMessages();
      await giveUpHalf();
      await Promise.all([
        ...messages.map((message) => app.context.get(Dispatch).dispatch(message)),
        ...Array.from({ length: 24 }, (_, index) =>
          app.context
            .get(Placement)
            .place({ productId: `acme:${SKUS[index % SKUS.length]}`, quantity: (index % 3) + 1 }, { client: 'test' }),
        ),
        ...messages.map(({ subject }) => cancelIfPossible(subject)),
        ...Array.from({ length: 3 }, () => replayAll()),
        app.sync('acme'),
      ]);
    }
    expect(await deadlocks(app.dataSource)).toBe(0);
    expect(
      await app.dataSource.query(
        `SELECT p.product_id FROM products p
       LEFT JOIN orders o ON o.product_id = p.product_id AND o.hold_state IN ('held', 'acknowledged')
       GROUP BY p.product_id, p.reserved_quantity HAVING p.reserved_quantity <> COALESCE(sum(o.quantity), 0)`,
      ),
    ).toEqual([]);
  });

  /** Every other pending order waits for an operator, with two letters, written in opposite orders. */
  async function giveUpHalf(): Promise<void> {
    await app.dataSource.query(
      `UPDATE orders SET needs_attention = true, attention_reason = 'why'
       WHERE status = 'pending' AND hashtext(order_id) % 2 = 0`,
    );
    for (const order of ['order_id', 'order_id DESC']) {
      await app.dataSource.query(
        `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload)
         SELECT gen_random_uuid(), vendor_id, order_id, 'why', '{}' FROM orders
         WHERE needs_attention ORDER BY ${order}`,
      );
    }
  }

  async function replayAll(): Promise<void> {
    await app.context.get(Replay).many({}, false, { client: 'desk', apiKeyId: 'k' });
  }

  async function cancelIfPossible(orderId: string): Promise<void> {
    await app.context
      .get(Cancellation)
      .cancel(orderId)
      .catch((error: unknown) => {
        if (!(error instanceof OrderNotCancellable)) throw error;
      });
  }

  it('holds for checkouts that name the same products in opposite order', async () => {
    vendor.lists(at(-60), Object.fromEntries(SKUS.map((sku) => [sku, 1000])));
    await app.sync('acme');
    const asked = (skus: string[]): Asked => ({
      lines: skus.map((sku) => ({
        orderId: uuidv7(),
        productId: `acme:${sku}`,
        quantity: 1,
        quantityFields: [],
        productFields: [],
      })),
      checkoutId: uuidv7(),
      client: 'test',
      traceparent: null,
    });
    const batch = app.context.get(Batch);
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        [SKUS, SKUS.toReversed(), SKUS, SKUS.toReversed()].map((skus) => batch.commit([asked(skus)], false)),
      );
    }
    expect(await deadlocks(app.dataSource)).toBe(0);
  });

  it('would deadlock with the order reversed in one writer', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    const product = `SELECT FROM products WHERE vendor_id = 'acme' AND product_id = 'acme:A' FOR NO KEY UPDATE`;
    const hold = `SELECT FROM orders WHERE order_id = '${order.orderId}' FOR NO KEY UPDATE`;
    const results = await Promise.allSettled([lockBoth(product, hold), lockBoth(hold, product)]);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(await deadlocks(app.dataSource)).toBe(1);
  });

  it('would deadlock with a transaction that locks a product FOR KEY SHARE alone', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const product = `FROM products WHERE vendor_id = 'acme' AND product_id = 'acme:A'`;
    const [reader, writer] = [app.dataSource.createQueryRunner(), app.dataSource.createQueryRunner()];
    try {
      await reader.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
      await reader.query(`SELECT ${product} FOR KEY SHARE`);
      await writer.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = 0');
      await writer.query(`UPDATE products SET name = 'new' WHERE vendor_id = 'acme' AND product_id = 'acme:A'`);
      // As a placement that waited for as long as it takes; it waits for less than deadlocks are looked for.
      const placing = app.dataSource.query(
        `WITH locked AS (SELECT p.product_id ${product.replace('products', 'products p')} FOR NO KEY UPDATE OF p)
         UPDATE products p SET reserved_quantity = reserved_quantity + 1 FROM locked
         WHERE p.vendor_id = 'acme' AND p.product_id = locked.product_id`,
      );
      await waitFor(async () => (await lockWaits(app.dataSource)) === 1, { withinMs: 10_000, what: 'the placement' });
      const locking = app.dataSource.query(`SELECT ${product} FOR NO KEY UPDATE`);
      await waitFor(async () => (await lockWaits(app.dataSource)) === 2, { withinMs: 10_000, what: 'the lock' });
      await writer.query('COMMIT');
      await Promise.allSettled([placing, locking]);
      expect(await deadlocks(app.dataSource)).toBe(1);
    } finally {
      for (const runner of [reader, writer]) {
        await runner.query('ROLLBACK');
        await runner.release();
      }
    }
  });

  it('is watched by a guard: an order is changed twice only with its product locked', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    const change = `UPDATE orders SET updated_at = now() WHERE order_id = '${order.orderId}'`;
    const twice = (lock?: string): Promise<void> =>
      app.dataSource.transaction(async (tx) => {
        if (lock) await tx.query(lock);
        await tx.query(change);
        await tx.query(change);
      });
    await expect(twice()).rejects.toThrow('changed twice in one transaction that has not locked its product');
    await twice(`SELECT FROM products WHERE vendor_id = 'acme' AND product_id = 'acme:A' FOR NO KEY UPDATE`);
  });

  /** Takes the first lock, waits until both transactions have theirs, and takes the second. */
  let arrived: (() => void)[] = [];
  async function lockBoth(first: string, second: string): Promise<void> {
    await app.dataSource.transaction(async (tx) => {
      await tx.query(first);
      await new Promise<void>((resolve) => {
        arrived.push(resolve);
        if (arrived.length === 2) {
          arrived.forEach((go) => go());
          arrived = [];
        }
      });
      await tx.query(second);
    });
  }
});
