import { Broker } from '../../../src/messaging/broker';
import { CaseRepository } from '../../../src/operations/reconciliation/case.repository';
import { Decision } from '../../../src/stock/sync/decision';
import { WholeDatabase } from '../../../src/operations/backup/whole-database.repository';
import { Sweeper } from '../../../src/orders/fulfilment/sweeper';
import { type Desk, openDesk } from '../../support/desk';

/** The cases of each kind: planted, found, resolved, and compared with the vendor's own ledger. */
describe('reconciling', () => {
  let desk: Desk;

  beforeEach(async () => {
    desk = await openDesk();
  });

  afterEach(() => desk.close());

  /** Its vendor accepted it and dropped the connection, and could not be asked until we gave up. */
  async function giveUp(faults: Record<string, unknown>): Promise<string> {
    await desk.vendor.faults({ ...faults, error5xx: { operation: 'lookup' } });
    const orderId = await desk.place();
    await desk.step();
    await desk.query(`UPDATE orders SET created_at = created_at - interval '2 days' WHERE order_id = $1`, [orderId]);
    await desk.step();
    await desk.query(`UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`);
    await desk.vendor.faults({});
    expect(await desk.order(orderId)).toMatchObject({ status: 'pending', needsAttention: true });
    return orderId;
  }

  const letters = async () =>
    (await desk.query<{ status: string }>('SELECT status FROM dead_letters')).map(({ status }) => status);

  it('finds nothing where both books agree', async () => {
    await desk.placeAndDispatch();
    await desk.vendor.setStock('A-2', 0);
    await desk.placeAndDispatch('A-2');
    expect(await desk.reconcile()).toMatchObject({ status: 'succeeded', compared: 2, found: 0, opened: 0, closed: 0 });
    expect(await desk.open()).toEqual([]);
  });

  describe('an order that failed here and was bought', () => {
    async function plant(): Promise<string> {
      const orderId = await desk.placeAndDispatch();
      await desk.query(
        `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released', vendor_order_id = NULL,
           accepted_at = NULL WHERE order_id = $1`,
        [orderId],
      );
      await desk.query('UPDATE products SET reserved_quantity = 0');
      return orderId;
    }

    it('is cancelled at its vendor', async () => {
      const orderId = await plant();
      await desk.reconcile();
      const found = await desk.only('boughtThoughFailed');
      expect(found).toMatchObject({
        orderId,
        productId: 'acme:A-1',
        resolutions: ['cancelAtVendor', 'dismiss'],
        evidence: {
          ours: { client: 'test', status: 'failed' },
          vendor: { outcome: 'accepted', vendorOrderId: 'A-0000001' },
        },
      });
      expect(await desk.resolve(found, 'cancelAtVendor')).toMatchObject({
        status: 'resolved',
        resolution: 'cancelAtVendor',
        note: 'By phone.',
        actor: 'desk',
      });
      expect(await desk.inBooks(orderId)).toBe('accepted');
      await desk.dispatchAll();
      expect(await desk.inBooks(orderId)).toBe('cancelled');
      expect(await desk.order(orderId)).toMatchObject({ status: 'failed', needsAttention: false });
      expect((await desk.storyOf(orderId)).slice(-2)).toEqual(['resolved', 'recalled']);
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('waits for its vendor while that is asked, and comes back as a case when it will not', async () => {
      await desk.close();
      desk = await openDesk({}, { shipsAfterMs: 0 });
      const orderId = await plant();
      await desk.reconcile();
      await desk.resolve(await desk.only('boughtThoughFailed'), 'cancelAtVendor');
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
      await desk.dispatchAll();
      expect(await desk.order(orderId)).toMatchObject({ status: 'failed', needsAttention: true });
      await desk.reconcile();
      const again = await desk.only('boughtThoughFailed');
      await desk.resolve(again, 'dismiss');
      expect(await desk.order(orderId)).toMatchObject({ needsAttention: false, attentionReason: null });
      expect(await letters()).toEqual(['dismissed']);
      expect(await desk.reconcile()).toMatchObject({ opened: 0, parts: [{ findings: [{ case: 'dismissed' }] }] });
      expect(await desk.open()).toEqual([]);
    });
  });

  it('leaves its vendor alone with what an operator lets stand, though it had been asked to cancel it in vain', async () => {
    const orderId = await desk.placeAndDispatch();
    const asksInVain = () =>
      desk.query(
        `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released', vendor_order_id = NULL,
           accepted_at = NULL, recall_requested_at = now(), needs_attention = true, attention_reason = 'why'`,
      );
    const isLeftAlone = async () => {
      expect(await desk.query('SELECT recall_requested_at AS at, needs_attention AS asked FROM orders')).toEqual([
        { at: null, asked: false },
      ]);
      await desk.app.context.get(Sweeper).runOnce(0);
      expect(await desk.app.takeMessages()).toEqual([]);
    };
    await asksInVain();
    await desk.query('UPDATE products SET reserved_quantity = 0');
    await desk.reconcile();
    await desk.resolve(await desk.only('boughtThoughFailed'), 'dismiss');
    await isLeftAlone();
    await asksInVain();
    expect(await desk.reconcile()).toMatchObject({ opened: 0, parts: [{ findings: [{ case: 'dismissed' }] }] });
    await isLeftAlone();
    expect(await desk.inBooks(orderId)).toBe('accepted');
  });

  describe('an order that was completed here', () => {
    it('and that its vendor has cancelled is told, and stays as it is', async () => {
      const orderId = await desk.placeAndDispatch();
      await desk.cancelAtVendor(orderId);
      await desk.reconcile();
      const found = await desk.only('completedButRefused');
      expect(found).toMatchObject({ orderId, resolutions: ['dismiss'], evidence: { vendor: { reason: 'CANCELLED' } } });
      await desk.resolve(found, 'dismiss');
      expect(await desk.inBooks(orderId)).toBe('cancelled');
      expect(await desk.order(orderId)).toMatchObject({ status: 'completed' });
      await desk.reconcile();
      expect(await desk.open()).toEqual([]);
    });

    it('and that its vendor does not know is told once its books must show it', async () => {
      const orderId = await desk.placeAndDispatch();
      await desk.query(`UPDATE vendors SET consistency_lag_ms = 600000`);
      const stranger = `${orderId.slice(0, -4)}beef`;
      await desk.query('INSERT INTO orders SELECT (jsonb_populate_record(o, $2)).* FROM orders o WHERE order_id = $1', [
        orderId,
        JSON.stringify({ order_id: stranger, hold_state: 'settled' }),
      ]);
      await desk.reconcile();
      expect(await desk.open()).toEqual([]);
      await desk.query('UPDATE vendors SET consistency_lag_ms = 0');
      await desk.reconcile();
      const found = await desk.only('completedButUnknown');
      expect(found).toMatchObject({ orderId: stranger, evidence: { vendor: { outcome: 'not_found' } } });
      await desk.resolve(found, 'dismiss');
      await desk.reconcile();
      expect(await desk.open()).toEqual([]);
    });

    it('under another name than its vendor has takes over the vendor’s', async () => {
      const orderId = await desk.placeAndDispatch();
      await desk.query(`UPDATE orders SET vendor_order_id = 'wrong'`);
      await desk.reconcile();
      await desk.resolve(await desk.only('otherVendorOrderId'), 'acceptVendor');
      expect(await desk.order(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'A-0000001' });
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });
  });

  describe('an order that was given up', () => {
    it('and that its vendor has is completed by what its books say', async () => {
      const orderId = await giveUp({ acceptThen500: {} });
      await desk.reconcile();
      const found = await desk.only('givenUpButAccepted');
      expect(found.resolutions).toEqual(['acceptVendor', 'cancelAtVendor']);
      await desk.resolve(found, 'acceptVendor');
      expect(await desk.order(orderId)).toMatchObject({
        status: 'completed',
        vendorOrderId: 'A-0000001',
        needsAttention: false,
      });
      expect(await desk.product()).toMatchObject({ reserved: 1 });
      expect(await desk.inBooks(orderId)).toBe('accepted');
      expect(await letters()).toEqual(['dismissed']);
      expect((await desk.storyOf(orderId)).slice(-2)).toEqual(['resolved', 'completed']);
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
      await desk.app.sync('acme');
      expect(await desk.product()).toEqual({ vendor: 49, reserved: 0, stock: 49 });
    });

    it('and whose acceptance an applied listing contains already is counted once', async () => {
      const orderId = await giveUp({ acceptThen500: {} });
      await desk.app.sync('acme');
      expect(await desk.product()).toEqual({ vendor: 49, reserved: 1, stock: 48 });
      await desk.reconcile();
      await desk.resolve(await desk.only('givenUpButAccepted'), 'acceptVendor');
      expect(await desk.order(orderId)).toMatchObject({ status: 'completed' });
      expect(await desk.product()).toEqual({ vendor: 49, reserved: 0, stock: 49 });
    });

    it('and that its vendor has is cancelled there, if nobody wants it any more', async () => {
      const orderId = await giveUp({ acceptThen500: {} });
      await desk.reconcile();
      await desk.resolve(await desk.only('givenUpButAccepted'), 'cancelAtVendor');
      await desk.dispatchAll();
      expect(await desk.order(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await desk.inBooks(orderId)).toBe('cancelled');
      expect(await desk.product()).toMatchObject({ reserved: 0 });
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('and that its vendor has refused fails for the vendor’s reason', async () => {
      const orderId = await giveUp({ outage: { operation: 'order' } });
      await desk.cancelAtVendor(orderId);
      await desk.reconcile();
      await desk.resolve(await desk.only('givenUpAndRefused'), 'acceptVendor');
      expect(await desk.order(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await desk.product()).toMatchObject({ reserved: 0 });
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('and that its vendor never had is bought once when it is sent again', async () => {
      const orderId = await giveUp({ outage: { operation: 'order' } });
      await desk.reconcile();
      const found = await desk.only('givenUpAndNotBought');
      await desk.resolve(found, 'resend');
      expect(await letters()).toEqual(['replayed']);
      await desk.dispatchAll();
      expect(await desk.order(orderId)).toMatchObject({ status: 'completed' });
      expect(await desk.inBooks(orderId)).toBe('accepted');
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('and that its vendor never had fails, is looked at once more, and its stock is free again once', async () => {
      const orderId = await giveUp({ outage: { operation: 'order' } });
      await desk.reconcile();
      await desk.resolve(await desk.only('givenUpAndNotBought'), 'fail');
      expect(await desk.order(orderId)).toMatchObject({ status: 'failed', failureReason: 'RESOLVED_BY_OPERATOR' });
      expect(await desk.product()).toEqual({ vendor: 50, reserved: 0, stock: 50 });
      expect(await desk.query('SELECT order_id FROM reconciliation_revisits')).toEqual([{ order_id: orderId }]);
      expect(await desk.inBooks(orderId)).toBeUndefined();
    });

    it('is told of while its vendor cannot be asked, and what its books had before is worth more than that', async () => {
      const orderId = await giveUp({ acceptThen500: {} });
      await desk.query('UPDATE vendors SET paused = true');
      expect(await desk.reconcile()).toMatchObject({ status: 'incomplete', compared: 0, found: 1 });
      const unknown = await desk.only('givenUpAndUnknown');
      expect(unknown).toMatchObject({
        orderId,
        evidence: { vendor: { outcome: 'not_asked', detail: 'an operator has paused acme' } },
        resolutions: ['resend', 'cancelAtVendor', 'fail'],
      });
      await desk.query('UPDATE vendors SET paused = false');
      expect(await desk.reconcile()).toMatchObject({ opened: 1, closed: 1 });
      await desk.query('UPDATE vendors SET paused = true');
      await desk.reconcile();
      await desk.only('givenUpButAccepted');
    });
  });

  describe('our own books', () => {
    it('have a counter that is not the sum of the holds: it is counted again', async () => {
      await desk.place('A-1', 3);
      await desk.query(`UPDATE products SET reserved_quantity = reserved_quantity + 4 WHERE sku IN ('A-1', 'A-2')`);
      await desk.reconcile();
      const open = await desk.open();
      expect(open.map(({ kind, productId, evidence }) => [kind, productId, evidence]).toSorted()).toEqual([
        ['reservedDiffers', 'acme:A-1', { openHolds: 3, reservedQuantity: 7 }],
        ['reservedDiffers', 'acme:A-2', { openHolds: 0, reservedQuantity: 4 }],
      ]);
      for (const found of open) await desk.resolve(found, 'recount');
      expect(await desk.product('A-1')).toMatchObject({ reserved: 3, stock: 47 });
      expect(await desk.product('A-2')).toMatchObject({ reserved: 0, stock: 50 });
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('have promised more than the vendor has: the newest orders are cancelled', async () => {
      const second = await desk.placeAndDispatch('A-2', 1);
      const first = await desk.place('A-1', 2);
      const third = await desk.place('A-1', 3);
      await desk.vendor.setStock('A-1', 2);
      await desk.app.sync('acme');
      await desk.reconcile();
      const found = await desk.only('soldUnderUs');
      expect(found.evidence).toMatchObject({
        ...{ vendorQuantity: 2, reservedQuantity: 5, excess: 3, orders: 2, acknowledged: 0 },
      });
      await desk.resolve(found, 'cancelNewest');
      expect(await desk.order(third)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
      expect(await desk.product('A-1')).toMatchObject({ vendor: 2, reserved: 2 });
      await desk.dispatchAll();
      expect(await desk.order(first)).toMatchObject({ status: 'completed' });
      expect([await desk.inBooks(first), await desk.inBooks(second), await desk.inBooks(third)]).toEqual([
        'accepted',
        'accepted',
        undefined,
      ]);
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('have promised more than the vendor has: what it is asked to cancel already is not made up for by others', async () => {
      const others = [await desk.place('A-1', 1), await desk.place('A-1', 1)];
      const sent = await desk.place('A-1', 1);
      await desk.query('INSERT INTO dispatch_attempts (order_id, token, deadline_at) VALUES ($1, 1, now())', [sent]);
      await desk.vendor.setStock('A-1', 2);
      await desk.app.sync('acme');
      for (let times = 0; times < 2; times++) {
        await desk.reconcile();
        await desk.resolve(await desk.only('soldUnderUs'), 'cancelNewest');
      }
      expect(await desk.order(sent)).toMatchObject({ status: 'pending', cancelRequestedAt: expect.any(String) });
      for (const orderId of others)
        expect(await desk.order(orderId)).toMatchObject({ status: 'pending', cancelRequestedAt: null });
    });

    it('decides nothing by what a vendor said before its database was restored from a backup', async () => {
      const orderId = await desk.place('A-1', 1);
      await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
      await desk.query('DELETE FROM outbox');
      await desk.reconcile();
      const found = await desk.only('givenUpAndNotBought');
      await WholeDatabase.at(desk.app.database.url, (database) => database.doubtPendingSince(new Date().toISOString()));
      await expect(desk.resolve(found, 'fail')).rejects.toMatchObject({ code: 'CASE_OUTDATED' });
      expect(await desk.order(orderId)).toMatchObject({ status: 'pending' });
    });

    it('have holds that wait for the next file, however often the same one is listed meanwhile: nothing is wrong', async () => {
      await desk.placeAndDispatch('A-1', 2);
      await desk.query(`UPDATE orders SET accepted_at = accepted_at + interval '1 day'`);
      for (let listing = 0; listing < 3; listing++) {
        await desk.vendor.setStock('A-5', 40 + listing);
        await desk.app.sync('acme');
      }
      await desk.query('UPDATE stock_sync_runs SET as_of = (SELECT max(as_of) FROM stock_sync_runs)');
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('have holds that no listing settles: an operator does', async () => {
      const orderId = await desk.placeAndDispatch('A-1', 2);
      // A vendor whose orders are dated by a clock far ahead of the one it dates its stock by.
      await desk.query(`UPDATE orders SET accepted_at = accepted_at + interval '1 day'`);
      for (let listing = 0; listing < 3; listing++) {
        await desk.vendor.setStock('A-5', 40 + listing);
        await desk.app.sync('acme');
      }
      await desk.reconcile();
      const found = await desk.only('holdsNeverSettle');
      expect(found).toMatchObject({ productId: 'acme:A-1', evidence: { orders: 1, quantity: 2 } });
      expect(await desk.product()).toEqual({ vendor: 48, reserved: 2, stock: 46 });
      await desk.resolve(found, 'settle');
      expect(await desk.product()).toEqual({ vendor: 48, reserved: 0, stock: 48 });
      expect(await desk.query('SELECT hold_state FROM orders')).toEqual([{ hold_state: 'settled' }]);
      expect(await desk.inBooks(orderId)).toBe('accepted');
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('have an order without a message: it is sent again, and bought once', async () => {
      const orderId = await desk.place();
      await desk.query('DELETE FROM outbox');
      await desk.query(`UPDATE orders SET created_at = created_at - interval '1 hour'`);
      await desk.reconcile();
      const found = await desk.only('orderWithoutMessage');
      // While the broker cannot be asked, nobody can say that it is gone.
      const waiting = jest.spyOn(desk.app.context.get(Broker), 'waiting').mockResolvedValue(undefined);
      expect(await desk.reconcile()).toMatchObject({ closed: 0 });
      waiting.mockRestore();
      await desk.resolve(found, 'resend');
      expect(await desk.query('SELECT subject FROM outbox')).toEqual([{ subject: orderId }]);
      await desk.dispatchAll();
      expect(await desk.inBooks(orderId)).toBe('accepted');
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it('have messages about what is decided, or about nothing: they are discarded', async () => {
      const orderId = await desk.placeAndDispatch();
      await desk.query(
        `INSERT INTO outbox (message_id, vendor_id, subject, type, payload, due_at)
         SELECT subject, 'acme', subject, 'order.placed.v1', '{}', now() - interval '1 hour'
         FROM unnest($1::varchar[]) AS s (subject)`,
        [[orderId, 'nothing']],
      );
      await desk.reconcile();
      const open = await desk.open();
      expect(open.map(({ kind, orderId: about }) => [kind, about])).toEqual(
        expect.arrayContaining([
          ['messageWithoutOrder', orderId],
          ['messageWithoutOrder', null],
        ]),
      );
      for (const found of open) await desk.resolve(found, 'discard');
      expect(await desk.query('SELECT FROM outbox')).toEqual([]);
      expect(await desk.reconcile()).toMatchObject({ found: 0 });
    });

    it.each([
      ['acceptRun', 'succeeded', 0],
      ['rejectRun', 'rejected', 5],
    ] as const)('have a held sync: %s', async (resolution, status, listed) => {
      await desk.vendor.faults({ emptySnapshot: {} });
      await desk.app.sync('acme');
      await desk.reconcile();
      const found = await desk.only('heldSync');
      expect(found.evidence).toMatchObject({ heldFor: 'EMPTY', seen: 0, missing: 5 });
      expect(await desk.resolve(found, resolution)).toMatchObject({ status: 'resolved', resolution, actor: 'desk' });
      expect(await desk.query(`SELECT status, note, decided_by FROM stock_sync_runs WHERE held_for = 'EMPTY'`)).toEqual(
        [{ status, note: 'By phone.', decided_by: 'desk' }],
      );
      expect(await desk.query('SELECT FROM products WHERE listed')).toHaveLength(listed);
    });

    it('have a held sync whose decision is noticed before it is written down: it was the operator’s all the same', async () => {
      await desk.vendor.faults({ emptySnapshot: {} });
      await desk.app.sync('acme');
      await desk.reconcile();
      const found = await desk.only('heldSync');
      const decision = desk.app.context.get(Decision);
      const reject = decision.reject.bind(decision);
      jest.spyOn(decision, 'reject').mockImplementation(async (...given) => {
        const run = await reject(...given);
        await desk.app.context.get(CaseRepository).closeDecided(desk.app.dataSource.manager);
        return run;
      });
      expect(await desk.resolve(found, 'rejectRun')).toMatchObject({ resolution: 'rejectRun', actor: 'desk' });
    });

    it('have holds that never settle, dismissed: told of again once they are twice as much', async () => {
      const unsettled = async (quantity: number) => {
        await desk.placeAndDispatch('A-1', quantity);
        await desk.query(`UPDATE orders SET accepted_at = accepted_at + interval '1 day'`);
        for (let listing = 0; listing < 3; listing++) {
          await desk.vendor.setStock('A-5', 40 + listing);
          await desk.app.sync('acme');
        }
        await desk.reconcile();
      };
      await unsettled(2);
      await desk.resolve(await desk.only('holdsNeverSettle'), 'dismiss');
      await unsettled(1);
      expect(await desk.open()).toEqual([]);
      await unsettled(1);
      expect(await desk.only('holdsNeverSettle')).toMatchObject({ evidence: { quantity: 4 } });
    });
  });
});
