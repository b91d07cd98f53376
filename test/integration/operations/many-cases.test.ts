import { Consistency } from '../../../src/operations/consistency/consistency';
import type { CaseKind, Resolution } from '../../../src/operations/reconciliation/case';
import { type Desk, openDesk } from '../../support/desk';

/** What an operator would decide about each kind. */
const DECISIONS: Partial<Record<CaseKind, Resolution>> = {
  boughtThoughFailed: 'cancelAtVendor',
  completedButUnknown: 'dismiss',
  completedButRefused: 'dismiss',
  otherVendorOrderId: 'acceptVendor',
  givenUpButAccepted: 'acceptVendor',
  givenUpAndRefused: 'acceptVendor',
  givenUpAndNotBought: 'resend',
  orderWithoutMessage: 'resend',
  messageWithoutOrder: 'discard',
  reservedDiffers: 'recount',
  soldUnderUs: 'cancelNewest',
  heldSync: 'rejectRun',
};

describe('a bad day', () => {
  let desk: Desk;

  beforeEach(async () => {
    desk = await openDesk();
  });

  afterEach(() => desk.close());

  const giveUp = (orderId: string) =>
    desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why' WHERE order_id = $1`, [orderId]);

  async function buyBehindOurBack(orderId: string, sku: string): Promise<void> {
    await fetch(`${desk.vendor.baseUrl}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': orderId },
      body: JSON.stringify({ reference: orderId, sku, quantity: 1 }),
    });
  }

  /** Twelve kinds at once. Answers the orders that no decision can bring into the vendor's books, or out of them. */
  async function plant(): Promise<{ lost: string[] }> {
    const [failed, refused, renamed] = [
      await desk.placeAndDispatch(),
      await desk.placeAndDispatch(),
      await desk.placeAndDispatch(),
    ];
    await desk.query(
      `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released' WHERE order_id = $1`,
      [failed],
    );
    await desk.query(`UPDATE products SET reserved_quantity = reserved_quantity - 1 WHERE sku = 'A-1'`);
    await desk.cancelAtVendor(refused);
    await desk.query(`UPDATE orders SET vendor_order_id = 'wrong' WHERE order_id = $1`, [renamed]);
    const unknown = `${renamed.slice(0, -4)}beef`;
    await desk.query('INSERT INTO orders SELECT (jsonb_populate_record(o, $2)).* FROM orders o WHERE order_id = $1', [
      renamed,
      JSON.stringify({ order_id: unknown, hold_state: 'settled' }),
    ]);
    const accepted = await desk.place('A-2');
    const notBought = await desk.place('A-2');
    const closed = await desk.place('A-2');
    const stranded = await desk.place('A-3');
    await desk.place('A-4', 2);
    await desk.place('A-4', 3);
    await desk.query('DELETE FROM outbox WHERE subject = ANY ($1)', [[accepted, notBought, closed, stranded]]);
    await buyBehindOurBack(accepted, 'A-2');
    await desk.cancelAtVendor(closed);
    for (const orderId of [accepted, notBought, closed]) await giveUp(orderId);
    await desk.query(`UPDATE orders SET created_at = created_at - interval '1 hour' WHERE order_id = $1`, [stranded]);
    await desk.query(
      `INSERT INTO outbox (message_id, vendor_id, subject, type, payload, due_at)
       VALUES ('m', 'acme', $1, 'order.placed.v1', '{}', now() - interval '1 hour')`,
      [renamed],
    );
    await desk.vendor.setStock('A-4', 2);
    await desk.app.sync('acme');
    await desk.query(`UPDATE products SET reserved_quantity = reserved_quantity + 1 WHERE sku = 'A-5'`);
    await desk.vendor.faults({ emptySnapshot: {} });
    await desk.app.sync('acme');
    await desk.vendor.faults({});
    return { lost: [refused, unknown] };
  }

  it('of twelve kinds is brought to green, as the vendor’s own books tell', async () => {
    const { lost } = await plant();
    await desk.reconcile();
    const open = await desk.open();
    expect(open.map(({ kind }) => kind).toSorted()).toEqual(Object.keys(DECISIONS).toSorted());
    await Promise.all(open.map((found) => desk.resolve(found, DECISIONS[found.kind]!)));
    await desk.dispatchAll();

    expect(await desk.open()).toEqual([]);
    expect(await desk.reconcile()).toMatchObject({ status: 'succeeded', found: 0, opened: 0 });
    expect(await desk.app.context.get(Consistency).fresh()).toMatchObject({ ok: true, violations: [] });
    const orders = await desk.query<{ order_id: string; status: string }>('SELECT order_id, status FROM orders');
    const inBooks = (await desk.vendor.accepted()).map(({ reference }) => reference);
    const completed = orders.filter(({ status }) => status === 'completed').map(({ order_id }) => order_id);
    expect(orders.filter(({ status }) => status === 'pending')).toEqual([]);
    expect([...inBooks, ...lost].toSorted()).toEqual(completed.toSorted());
    expect(await desk.query(`SELECT FROM orders WHERE needs_attention`)).toEqual([]);
    expect(await desk.query(`SELECT FROM reconciliation_cases WHERE actor <> 'desk'`)).toEqual([]);
  });
});
