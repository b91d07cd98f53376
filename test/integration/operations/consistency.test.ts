import { Broker } from '../../../src/messaging/broker';
import { Consistency } from '../../../src/operations/consistency/consistency';
import { CountRepository, type CountScope } from '../../../src/operations/consistency/count.repository';
import { Counter } from '../../../src/operations/consistency/counter';
import { Counting } from '../../../src/operations/consistency/counting';
import { INVARIANTS } from '../../../src/operations/consistency/invariants';
import { Placement } from '../../../src/orders/placement/placement';
import { type Desk, openDesk } from '../../support/desk';

const UNHURRIED = { msMax: 30_000, restFactor: 0 };

describe('the consistency of our books', () => {
  let desk: Desk;

  beforeEach(async () => {
    desk = await openDesk();
  });

  afterEach(() => desk.close());

  const consistency = () => desk.app.context.get(Consistency);
  const count = (scope: CountScope) => desk.app.context.get(Counter).runOnce(scope);
  const violated = async () => {
    const { violations } = await consistency().last();
    return violations.map(({ invariant, productId, orderId }) => [invariant, productId ?? orderId]);
  };
  const query = (statement: string, values: unknown[] = []) => desk.query<Record<string, string>>(statement, values);

  /** Lets the database hold what it would refuse. */
  async function permit(): Promise<void> {
    const checks = await query(
      `SELECT conrelid::regclass AS table, conname AS name FROM pg_constraint
       WHERE contype = 'c' AND conrelid IN ('orders'::regclass, 'products'::regclass)`,
    );
    for (const { table, name } of checks) await query(`ALTER TABLE ${table} DROP CONSTRAINT "${name}"`);
  }

  /** Orders of every state, long ago. */
  async function busyBooks(): Promise<{ completed: string; failed: string; pending: string }> {
    const completed = await desk.placeAndDispatch('A-1', 2);
    await desk.vendor.setStock('A-2', 0);
    const failed = await desk.placeAndDispatch('A-2');
    const pending = await desk.place('A-3', 3);

    const lines = ['A-4', 'A-5'].map((sku) => ({ productId: `acme:${sku}`, quantity: 1 }));
    await desk.app.context.get(Placement).checkOut(lines, { client: 'test' });
    return { completed, failed, pending };
  }

  it('is given where nothing was planted, before any count and after each', async () => {
    await busyBooks();
    expect(await query('SELECT FROM consistency_counts')).toEqual([]);
    expect(await consistency().last()).toMatchObject({ ok: true, violationCount: 0, violations: [] });
    await count('recent');
    await count('everything');
    expect(await consistency().fresh()).toMatchObject({ ok: true, violationCount: 0, violations: [] });
  });

  it('is given at once from the last count, and says when that was', async () => {
    const { checkedAt } = await consistency().last();
    const counting = jest.spyOn(desk.app.context.get(Counting), 'everything');
    expect(await consistency().last()).toMatchObject({ checkedAt });
    expect(counting).not.toHaveBeenCalled();
    expect((await consistency().fresh()).checkedAt > checkedAt).toBe(true);
  });

  /** A negative control for each invariant. */
  const controls: Record<string, (orders: Awaited<ReturnType<typeof busyBooks>>) => [plant: string, subject: string]> =
    {
      reservedIsSumOfOpenHolds: () => [
        `UPDATE products SET reserved_quantity = reserved_quantity + 1 WHERE sku = 'A-3'`,
        'acme:A-3',
      ],
      stockIsWhatIsLeft: () => [
        `ALTER TABLE products ALTER COLUMN stock_quantity DROP EXPRESSION;
       UPDATE products SET stock_quantity = stock_quantity + 1 WHERE sku = 'A-3'`,
        'acme:A-3',
      ],
      grantedWithinAvailable: ({ pending }) => [
        `UPDATE orders SET available_quantity = quantity - 1 WHERE order_id = '${pending}'`,
        pending,
      ],
      pendingIsHeld: ({ pending }) => [
        `UPDATE orders SET hold_state = 'acknowledged' WHERE order_id = '${pending}'`,
        pending,
      ],
      completedStandsAtVendor: ({ completed }) => [
        `UPDATE orders SET vendor_order_id = NULL WHERE order_id = '${completed}'`,
        completed,
      ],
      failedIsReleased: ({ completed }) => [
        `UPDATE orders SET failure_reason = 'REFUSED' WHERE order_id = '${completed}'`,
        completed,
      ],
      attentionHasReason: ({ pending }) => [
        `UPDATE orders SET needs_attention = true WHERE order_id = '${pending}'`,
        pending,
      ],
      checkoutIsOfOneMoment: () => [
        `UPDATE orders SET client = 'other' WHERE order_id = (SELECT max(order_id) FROM orders WHERE checkout_id IS NOT NULL)`,
        '',
      ],
      pendingIsOnItsWay: ({ pending }) => [
        `DELETE FROM outbox WHERE subject = '${pending}';
       UPDATE orders SET created_at = created_at - interval '1 hour' WHERE order_id = '${pending}'`,
        pending,
      ],
    };

  it('has a control for each of its invariants', () => {
    expect(Object.keys(controls).toSorted()).toEqual([...INVARIANTS].toSorted());
  });

  describe.each(Object.entries(controls))('where %s does not hold', (invariant, control) => {
    it('is denied by every count that looks, with what was expected and what is found', async () => {
      const orders = await busyBooks();
      await permit();
      const [plant, subject] = control(orders);
      for (const statement of plant.split(';')) await query(statement);
      await count('everything');
      const { ok, violations } = await consistency().last();
      const named = violations[0]!.productId ?? violations[0]!.orderId;
      expect([ok, violations.map((violation) => violation.invariant)]).toEqual([false, [invariant]]);
      if (subject !== '') expect(named).toBe(subject);
      expect([violations[0]!.expected, violations[0]!.found]).toEqual([
        expect.stringMatching(/./),
        expect.stringMatching(/./),
      ]);
      // What a count has named the next one of what is recent looks at again.
      await count('recent');
      expect(await violated()).toEqual([[invariant, named]]);
      expect((await consistency().fresh()).ok).toBe(false);
    });
  });

  it.each([
    ['an order with an open hold', `UPDATE orders SET available_quantity = quantity - 1 WHERE hold_state = 'held'`],
    ['a product with one', `UPDATE products SET reserved_quantity = reserved_quantity + 1 WHERE reserved_quantity > 0`],
    [
      'an order that was just decided',
      `UPDATE orders SET available_quantity = quantity - 1 WHERE hold_state = 'released'`,
    ],
    ['the product of one', `UPDATE products SET reserved_quantity = 1 WHERE sku = 'A-2'`],
  ])('is counted every minute of %s', async (_, plant) => {
    await busyBooks();
    await permit();
    await query(plant);
    await count('recent');
    expect((await consistency().last()).ok).toBe(false);
  });

  it('is found again once what was named is mended, without counting everything', async () => {
    await permit();
    await query(`UPDATE products SET reserved_quantity = 1 WHERE sku = 'A-5'`);
    await count('everything');
    await query(`UPDATE products SET reserved_quantity = 0 WHERE sku = 'A-5'`);
    await count('recent');
    expect(await consistency().last()).toMatchObject({ ok: true, violations: [] });
  });

  it('is denied also by what a count of everything has found while one of what is recent was made', async () => {
    await permit();
    await count('recent');
    await query(`UPDATE products SET reserved_quantity = 1 WHERE sku = 'A-5'`);
    await count('everything');
    await query(
      `UPDATE consistency_counts SET checked_at = checked_at - interval '1 minute' WHERE scope = 'everything'`,
    );
    await count('recent');
    expect(await violated()).toEqual([['reservedIsSumOfOpenHolds', 'acme:A-5']]);
    await query(`UPDATE products SET reserved_quantity = 0 WHERE sku = 'A-5'`);
    await count('recent');
    expect(await violated()).toEqual([]);
  });

  it('lists a hundred violations and counts the others', async () => {
    await query(`INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, reserved_quantity, as_of, observed_at)
      SELECT 'acme', 'acme:B-' || n, 'B-' || n, 'B', 1, 10, 1, now(), now() FROM generate_series(1, 250) n`);
    await count('everything');
    const { violationCount, violations } = await consistency().last();
    expect([violationCount, violations.length, new Set(violations.map(({ productId }) => productId)).size]).toEqual([
      250, 100, 100,
    ]);
    await count('recent');
    expect((await consistency().last()).violationCount).toBe(250);
    const last = await desk.app.context.get(CountRepository).last(desk.app.dataSource.manager);
    expect(last?.violationCount).toBe(250);
  });

  it('does not call lost what waits at the broker', async () => {
    const orderId = await desk.place();
    await desk.app.takeMessages();
    await query(`UPDATE orders SET created_at = created_at - interval '1 hour'`);
    jest.spyOn(desk.app.context.get(Broker), 'waiting').mockResolvedValue(1);
    await count('recent');
    expect((await consistency().last()).ok).toBe(true);
    jest.spyOn(desk.app.context.get(Broker), 'waiting').mockResolvedValue(undefined);
    await count('recent');
    expect((await consistency().last()).ok).toBe(true);
    jest.spyOn(desk.app.context.get(Broker), 'waiting').mockResolvedValue(0);
    await count('recent');
    expect(await violated()).toEqual([['pendingIsOnItsWay', orderId]]);
    // Nobody has looked, so nobody can say that it is found.
    jest.spyOn(desk.app.context.get(Broker), 'waiting').mockResolvedValue(undefined);
    await count('recent');
    expect(await violated()).toEqual([['pendingIsOnItsWay', orderId]]);
  });

  it('is counted by whoever is asked where nobody has counted for more than a minute', async () => {
    await count('everything');
    await query(`UPDATE products SET reserved_quantity = reserved_quantity + 1 WHERE sku = 'A-1'`);
    await query(`UPDATE consistency_counts SET checked_at = now() - interval '59 s'`);
    expect((await consistency().last()).ok).toBe(true);
    await query(`UPDATE consistency_counts SET checked_at = now() - interval '61 s'`);
    expect(await consistency().last()).toMatchObject({ ok: false, violationCount: 1 });
    expect((await consistency().last()).checkedAt).toBe((await consistency().last()).checkedAt);
  });

  it('is counted while orders are placed, and never in the midst of one', async () => {
    let placing = true;
    const buying = Promise.all(
      Array.from({ length: 4 }, async (_, buyer) => {
        while (placing) await desk.place(`A-${buyer + 1}`, 1).catch(() => undefined);
      }),
    );
    const counts = [];
    for (let round = 0; round < 20; round++)
      counts.push((await desk.app.context.get(Counting).everything(UNHURRIED)).all.total);
    placing = false;
    await buying;
    expect(counts).toEqual(counts.map(() => 0));
  });

  it('is given up, and says so, when counting takes too long', async () => {
    await expect(desk.app.context.get(Counting).everything({ msMax: 0, restFactor: 0 })).rejects.toMatchObject({
      code: 'OVERLOADED',
      headers: { 'retry-after': '60' },
    });
    const locked = desk.app.dataSource.createQueryRunner();
    await locked.connect();
    await locked.query('BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE');
    await expect(desk.app.context.get(Counting).everything({ msMax: 300, restFactor: 0 })).rejects.toMatchObject({
      code: 'OVERLOADED',
    });
    await locked.query('ROLLBACK');
    await locked.release();
  });

  it('is counted once for all who ask at the same time', async () => {
    const counting = jest.spyOn(desk.app.context.get(Counting), 'everything');
    await Promise.all(Array.from({ length: 5 }, () => consistency().fresh()));
    expect(counting).toHaveBeenCalledTimes(1);
  });

  it('is counted by one worker at a time', async () => {
    const another = (await desk.app.another()).get(Counter);
    const counters = [desk.app.context.get(Counter), another];
    const counted = counters.map((counter) => jest.spyOn(counter, 'runOnce'));
    await Promise.all(counters.map((counter) => counter['startDue']()));
    await Promise.all(counters.map((counter) => counter.stop()));
    expect(counted.flatMap(({ mock }) => mock.calls.map(([scope]) => scope)).toSorted()).toEqual([
      'everything',
      'recent',
    ]);
  });

  it('is counted whole again after an hour, or sooner where that was broken off', async () => {
    const counter = desk.app.context.get(Counter);
    const dueInMinutes = async () => {
      await counter['startDue']();
      await Promise.all(counter['underWay'].values());
      const [lease] = await query(`SELECT round(extract(epoch FROM leased_until - now()) / 60)::integer AS minutes
        FROM leases WHERE name = 'consistency-everything'`);
      return lease!['minutes'];
    };
    jest.spyOn(desk.app.context.get(Counting), 'everything').mockRejectedValueOnce(new Error('killed'));
    expect(await dueInMinutes()).toBe(10);
    await query('UPDATE leases SET leased_until = now()');
    expect(await dueInMinutes()).toBe(60);
  });

  it('is counted again at once where the connection was lost, unless that would take minutes', async () => {
    const [counter, counting] = [desk.app.context.get(Counter), desk.app.context.get(Counting)];
    const lost = new Error('Connection terminated unexpectedly');
    const recent = jest.spyOn(counting, 'recent').mockRejectedValueOnce(lost);
    const everything = jest.spyOn(counting, 'everything').mockRejectedValueOnce(lost);
    await counter['startDue']();
    await Promise.all(counter['underWay'].values());
    expect([recent, everything].map(({ mock }) => mock.calls.length)).toEqual([2, 1]);
    expect(await query('SELECT scope FROM consistency_counts')).toEqual([{ scope: 'recent' }]);
  });

  it('is not waited for by a process that ends while the connection is lost', async () => {
    const counter = desk.app.context.get(Counter);
    const lost = new Error('Connection terminated unexpectedly');
    const counting = jest.spyOn(desk.app.context.get(Counting), 'recent').mockRejectedValue(lost);
    await counter['startDue']();
    await counter.stop();
    expect(counting.mock.calls.length).toBeLessThanOrEqual(1);
  });
});
