import { DataSource } from 'typeorm';
import { CaseRepository } from '../../../src/operations/reconciliation/case.repository';
import { CaseResolution } from '../../../src/operations/reconciliation/case-resolution';
import { BY, type Desk, openDesk } from '../../support/desk';

const RULING = { by: BY, note: 'By phone.' };

describe('resolving a case', () => {
  let desk: Desk;

  beforeEach(async () => {
    desk = await openDesk();
  });

  afterEach(() => desk.close());

  const resolution = () => desk.app.context.get(CaseResolution);

  /** An order whose vendor accepted it, and could not be asked until we gave up. */
  async function givenUpButAccepted(): Promise<string> {
    await desk.vendor.faults({ acceptThen500: {}, error5xx: { operation: 'lookup' } });
    const orderId = await desk.place();
    await desk.step();
    await desk.query(`UPDATE orders SET created_at = created_at - interval '2 days'`);
    await desk.step();
    await desk.vendor.faults({});
    await desk.query(`UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`);
    await desk.reconcile();
    return orderId;
  }

  /** An order whose vendor never had it. */
  async function givenUpAndNotBought(): Promise<string> {
    const orderId = await desk.place();
    await desk.app.takeMessages();
    await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
    await desk.reconcile();
    return orderId;
  }

  it('is done once, however many decide at once', async () => {
    const orderId = await givenUpAndNotBought();
    const { caseId } = await desk.only('givenUpAndNotBought');
    const answers = await Promise.allSettled(
      (['fail', 'resend', 'fail', 'cancelAtVendor', 'resend', 'fail'] as const).map((what) =>
        resolution().resolve(caseId, what, RULING),
      ),
    );
    const refused = answers.filter((answer) => answer.status === 'rejected').map(({ reason }) => reason.code);
    expect(refused).toEqual(Array.from({ length: 5 }, () => 'CASE_NOT_OPEN'));
    expect((await desk.storyOf(orderId)).filter((type) => type === 'resolved')).toHaveLength(1);
    await desk.dispatchAll();
    const { status } = await desk.order(orderId);
    expect(await desk.inBooks(orderId)).toBe(status === 'completed' ? 'accepted' : undefined);
    expect((await desk.product()).reserved).toBe(status === 'completed' ? 1 : 0);
  });

  it('releases stock once, however often it is asked for', async () => {
    await desk.place('A-1', 5);
    const orderId = await givenUpAndNotBought();
    const { caseId } = (await desk.open()).find((found) => found.orderId === orderId)!;
    await resolution().resolve(caseId, 'fail', RULING);
    await expect(resolution().resolve(caseId, 'fail', RULING)).rejects.toMatchObject({ code: 'CASE_NOT_OPEN' });
    expect(await desk.product()).toMatchObject({ reserved: 5 });
  });

  it('is refused where the resolution does not fit, and says which do', async () => {
    await givenUpButAccepted();
    const found = await desk.only('givenUpButAccepted');
    await expect(desk.resolve(found, 'fail')).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      errors: [{ field: 'resolution', message: 'must be one that fits this case: acceptVendor, cancelAtVendor' }],
    });
    await desk.only('givenUpButAccepted');
  });

  it('changes nothing at all where a part of it fails', async () => {
    const orderId = await givenUpAndNotBought();
    const found = await desk.only('givenUpAndNotBought');
    jest
      .spyOn(desk.app.context.get(CaseRepository), 'resolve')
      .mockRejectedValue(new Error('Connection terminated unexpectedly'));
    await expect(desk.resolve(found, 'fail')).rejects.toThrow('terminated');
    expect(await desk.order(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
    expect(await desk.product()).toMatchObject({ reserved: 1 });
    await desk.only('givenUpAndNotBought');
  });

  describe('of which the order has moved on', () => {
    it('is refused once the order is decided, though it waits for an operator again', async () => {
      const orderId = await givenUpButAccepted();
      const found = await desk.only('givenUpButAccepted');
      await desk.query(
        `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released' WHERE order_id = $1`,
        [orderId],
      );
      await expect(desk.resolve(found, 'acceptVendor')).rejects.toMatchObject({ code: 'CASE_OUTDATED' });
      expect((await desk.storyOf(orderId)).at(-1)).toBe('attentionNeeded');
    });

    it('is refused once the order was dispatched again: what its vendor said was before that', async () => {
      const orderId = await givenUpAndNotBought();
      const found = await desk.only('givenUpAndNotBought');
      await desk.query('UPDATE orders SET claim_token = claim_token + 1 WHERE order_id = $1', [orderId]);
      await expect(desk.resolve(found, 'fail')).rejects.toMatchObject({ code: 'CASE_OUTDATED' });
      expect(await desk.product()).toMatchObject({ reserved: 1 });
    });

    it('is refused once somebody has had it replayed', async () => {
      const orderId = await givenUpAndNotBought();
      const found = await desk.only('givenUpAndNotBought');
      await desk.query('UPDATE orders SET needs_attention = false, attention_reason = NULL');
      await expect(desk.resolve(found, 'fail')).rejects.toMatchObject({ code: 'CASE_OUTDATED' });
      expect(await desk.order(orderId)).toMatchObject({ status: 'pending' });
      // The next run sees that it is on its way, and closes the case.
      expect(await desk.reconcile()).toMatchObject({ closed: 1 });
      expect(await desk.open()).toEqual([]);
    });

    it('is refused where an order has got along without a message', async () => {
      await desk.place();
      await desk.query('DELETE FROM outbox');
      await desk.query(`UPDATE orders SET created_at = created_at - interval '1 hour'`);
      await desk.reconcile();
      const found = await desk.only('orderWithoutMessage');
      await desk.query(`UPDATE orders SET status = 'failed', failure_reason = 'CANCELLED', hold_state = 'released'`);
      await expect(desk.resolve(found, 'resend')).rejects.toMatchObject({ code: 'CASE_OUTDATED' });
      expect(await desk.query('SELECT FROM outbox')).toEqual([]);
      // One that its vendor is to cancel needs its message all the same.
      await desk.query('UPDATE orders SET recall_requested_at = now()');
      await desk.resolve(found, 'resend');
      expect(await desk.query('SELECT FROM outbox')).toHaveLength(1);
    });

    it('is refused where a message turns out to be needed', async () => {
      const orderId = await desk.placeAndDispatch();
      await desk.query(
        `INSERT INTO outbox (message_id, vendor_id, subject, type, payload, due_at)
         VALUES ('m', 'acme', $1, 'order.placed.v1', '{}', now() - interval '1 hour')`,
        [orderId],
      );
      await desk.reconcile();
      const found = await desk.only('messageWithoutOrder');
      await desk.query(`UPDATE orders SET status = 'pending', hold_state = 'held', vendor_order_id = NULL`);
      await expect(desk.resolve(found, 'discard')).rejects.toMatchObject({ code: 'CASE_OUTDATED' });
      expect(await desk.query('SELECT subject FROM outbox')).toEqual([{ subject: orderId }]);
    });
  });

  it('of a held sync that was decided otherwise is refused by the sync', async () => {
    await desk.vendor.faults({ emptySnapshot: {} });
    await desk.app.sync('acme');
    await desk.reconcile();
    const found = await desk.only('heldSync');
    await desk.query(`UPDATE stock_sync_runs SET status = 'rejected' WHERE status = 'held'`);
    await expect(desk.resolve(found, 'acceptRun')).rejects.toMatchObject({ code: 'SYNC_NOT_HELD' });
    expect(await desk.query('SELECT FROM products WHERE listed')).toHaveLength(5);
    expect(await desk.reconcile()).toMatchObject({ closed: 1 });
  });

  it('leaves the order’s events and the case to tell who did what, and why', async () => {
    const orderId = await givenUpAndNotBought();
    await desk.resolve(await desk.only('givenUpAndNotBought'), 'fail');
    expect(
      await desk.query(
        `SELECT resolution, note, actor, resolved_with, resolved_at IS NOT NULL AS dated FROM reconciliation_cases`,
      ),
    ).toEqual([{ resolution: 'fail', note: 'By phone.', actor: 'desk', resolved_with: 'k-1', dated: true }]);
    expect(
      await desk.query(`SELECT detail FROM order_events WHERE type = 'resolved' AND order_id = $1`, [orderId]),
    ).toEqual([{ detail: 'An operator (desk) lets it fail: By phone.' }]);
  });

  it('waits for nobody who places an order, and does not deadlock with dispatch', async () => {
    const orderId = await givenUpAndNotBought();
    const found = await desk.only('givenUpAndNotBought');
    const placed = Promise.all(Array.from({ length: 20 }, () => desk.place()));
    const resolved = desk.resolve(found, 'fail');
    await Promise.all([placed, resolved, desk.step()]);
    expect(await desk.order(orderId)).toMatchObject({ status: 'failed' });
    await desk.dispatchAll();
    expect((await desk.product()).reserved).toBe(20);
    expect(await desk.app.context.get(DataSource).query(`SELECT FROM orders WHERE status = 'pending'`)).toEqual([]);
  });
});
