import { newId } from '../../../src/database/new-id';
import { Reconciler } from '../../../src/operations/reconciliation/reconciler';
import { Reconciliation } from '../../../src/operations/reconciliation/reconciliation';
import type { Run } from '../../../src/operations/reconciliation/run';
import { RunQueries } from '../../../src/operations/reconciliation/run-queries';
import type { DialectName } from '../../../src/simulator/simulator';
import { type Desk, openDesk } from '../../support/desk';
import { waitFor } from '../../support/wait';

/** Reconciling with a vendor that lists its orders. */
describe.each<DialectName>(['rest', 'wholesale', 'feed'])('the list of changed orders of a %s vendor', (kind) => {
  let desk: Desk;

  beforeEach(async () => {
    desk = await openDesk(
      {},
      { dialect: kind, settings: { orderList: 1, ...(kind === 'feed' && { decidedAfterMs: 0 }) } },
    );
  });

  afterEach(() => desk.close());

  /** A regular run, as if the hour were over. */
  async function regularRun(): Promise<Run> {
    const get = desk.app.context.get.bind(desk.app.context);
    await desk.query(`UPDATE leases SET leased_until = now()`);
    await get(Reconciler).scheduleDue();
    const reconciliation = get(Reconciliation);
    for (let part = await reconciliation.claim(); part; part = await reconciliation.claim()) {
      await reconciliation.run(part, new AbortController().signal);
    }
    const { run } = (await get(RunQueries).list({ limit: 50 })).find((each) => each.run.trigger === 'schedule')!;
    return run;
  }

  async function placeOld(count: number): Promise<string[]> {
    const orderIds: string[] = [];
    for (let index = 0; index < count; index++) orderIds.push(await desk.placeAndDispatch());
    await ageAll();
    return orderIds;
  }

  const ageAll = () =>
    desk.query(
      `UPDATE orders SET created_at = created_at - interval '2 hours', updated_at = updated_at - interval '2 hours'`,
    );

  const noLookUps = () => desk.vendor.faults({ error5xx: { operation: 'lookup' } });

  const order = kind === 'wholesale' ? '/purchase_orders' : '/orders';
  const cancelAtVendor = (reference: string) =>
    fetch(`${desk.vendor.baseUrl}${order}/${reference}`, { method: 'DELETE' });

  async function buyBehindOurBack(reference: string): Promise<void> {
    const body = {
      rest: { reference, sku: 'A-1', quantity: 1 },
      wholesale: { po_number: reference, item_number: 'A-1', quantity: 1 },
      feed: { orderRef: reference, id: 'A-1', count: 1 },
    }[kind];
    const answer = await fetch(`${desk.vendor.baseUrl}${order}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': reference },
      body: JSON.stringify(body),
    });
    expect([201, 202]).toContain(answer.status);
    if (kind !== 'feed') return;
    // It decides at once, but not within its answer.
    await waitFor(async () => (await desk.inBooks(reference)) !== undefined, { withinMs: 5000, what: 'a decision' });
  }

  it('makes look-ups of what it and our books say alike needless', async () => {
    await placeOld(4);
    await noLookUps();
    expect(await regularRun()).toMatchObject({ status: 'succeeded', compared: 4, listed: 4, notOurs: 0, found: 0 });
    expect(await desk.query('SELECT FROM reconciliation_listed')).toEqual([]);
    expect(await regularRun()).toMatchObject({ status: 'succeeded', compared: 0 });
  });

  it('shows what differs, whichever side is wrong, and each is confirmed by a look-up', async () => {
    const [cancelled, failed, renamed] = (await placeOld(3)) as [string, string, string];
    await cancelAtVendor(cancelled);
    await desk.query(
      `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released' WHERE order_id = $1`,
      [failed],
    );
    await desk.query(`UPDATE orders SET vendor_order_id = 'wrong' WHERE order_id = $1`, [renamed]);
    await desk.query(`UPDATE products SET reserved_quantity = reserved_quantity - 1 WHERE sku = 'A-1'`);
    const lost = `${renamed.slice(0, -4)}beef`;
    await desk.query('INSERT INTO orders SELECT (jsonb_populate_record(o, $2)).* FROM orders o WHERE order_id = $1', [
      renamed,
      JSON.stringify({ order_id: lost, hold_state: 'settled' }),
    ]);
    expect(await regularRun()).toMatchObject({ status: 'succeeded', opened: 4 });
    expect(Object.fromEntries((await desk.open()).map(({ kind: is, orderId }) => [is, orderId]))).toEqual({
      completedButRefused: cancelled,
      boughtThoughFailed: failed,
      otherVendorOrderId: renamed,
      completedButUnknown: lost,
    });
  });

  it('shows what is forgotten here, which is told once, and closed when it is gone', async () => {
    const [gone, kept] = [newId(), newId()];
    for (const reference of [gone, kept]) await buyBehindOurBack(reference);
    await buyBehindOurBack('PO 77, of somebody else');
    await placeOld(1);
    expect(await regularRun()).toMatchObject({ opened: 2, listed: 1, notOurs: 1 });
    const open = await desk.open();
    expect(open.map(({ evidence }) => evidence['reference']).toSorted()).toEqual([gone, kept].toSorted());
    expect(open[0]).toMatchObject({
      kind: 'boughtButForgotten',
      orderId: null,
      resolutions: ['dismiss'],
      evidence: { ours: null, vendor: { outcome: 'accepted' } },
    });
    await desk.resolve(
      open.find(({ evidence }) => evidence['reference'] === kept)!,
      'dismiss',
    );
    await cancelAtVendor(gone);
    expect(await regularRun()).toMatchObject({ opened: 0, closed: 1 });
    expect(await desk.open()).toEqual([]);
  });

  it('is done without where it is not offered, and asked for again later', async () => {
    await desk.vendor.settings({ orderList: 0 });
    await placeOld(2);
    expect(await regularRun()).toMatchObject({ status: 'succeeded', compared: 2, listed: 0 });
    await desk.vendor.settings({ orderList: 1 });
    expect(await regularRun()).toMatchObject({ listed: 0 });
    await desk.query(`UPDATE reconciliation_progress SET list_absent_at = list_absent_at - interval '6 hours'`);
    expect(await regularRun()).toMatchObject({ listed: 2 });
  });

  // The rest is the same code, whoever speaks.
  if (kind !== 'rest') return;

  it('remembers what it showed of orders whose turn comes later', async () => {
    await desk.placeAndDispatch();
    expect(await regularRun()).toMatchObject({ compared: 0, listed: 1 });
    expect(await desk.query('SELECT FROM reconciliation_listed')).toHaveLength(1);
    await ageAll();
    await noLookUps();
    // Its list has no rows since.
    await desk.query(`UPDATE reconciliation_progress SET list_until = list_until + interval '10 minutes'`);
    expect(await regularRun()).toMatchObject({ status: 'succeeded', compared: 1 });
  });

  it('proves nothing by what it lacks', async () => {
    await placeOld(4);
    await desk.vendor.faults({ truncatedSnapshot: { operation: 'list', keepShare: 0.5 } });
    expect(await regularRun()).toMatchObject({ status: 'succeeded', listed: 2, compared: 4, found: 0 });
  });

  it('is looked behind where it is old', async () => {
    const [orderId] = (await placeOld(1)) as [string];
    await desk.vendor.faults({ staleSnapshot: { operation: 'list' } });
    await desk.query(`UPDATE orders SET vendor_order_id = 'another' WHERE order_id = $1`, [orderId]);
    await regularRun();
    expect(await desk.only('otherVendorOrderId')).toMatchObject({ orderId });
    await desk.query(
      `UPDATE orders SET vendor_order_id = (SELECT evidence->'vendor'->>'vendorOrderId' FROM reconciliation_cases)`,
    );
    await desk.vendor.faults({});
    expect(await regularRun()).toMatchObject({ closed: 1, found: 0 });
  });

  it('is done without where it cannot be read, and that is said', async () => {
    await placeOld(2);
    await desk.vendor.faults({ unreadableBody: { operation: 'list' } });
    expect(await regularRun()).toMatchObject({
      status: 'incomplete',
      compared: 2,
      parts: [{ note: expect.stringMatching(/^The list of changed orders could not be read/) }],
    });
  });

  it('is read again from before its time where the vendor’s clock was set back', async () => {
    await placeOld(1);
    expect(await regularRun()).toMatchObject({ listed: 1 });
    await desk.query(`UPDATE reconciliation_progress SET list_until = list_until + interval '3 hours'`);
    await placeOld(1);
    await noLookUps();
    expect(await regularRun()).toMatchObject({ status: 'succeeded', compared: 1 });
    const [mark] = await desk.query<{ late: boolean }>(
      `SELECT list_until > now() + interval '1 hour' AS late FROM reconciliation_progress`,
    );
    expect(mark).toEqual({ late: false });
  });

  it('is read from the start at another address', async () => {
    await placeOld(2);
    expect(await regularRun()).toMatchObject({ listed: 2 });
    await desk.query(
      `UPDATE reconciliation_progress SET list_base_url = 'http://elsewhere', list_until = now() + interval '1 day'`,
    );
    expect(await regularRun()).toMatchObject({ listed: 2 });
  });

  it('writes nothing in a dry run', async () => {
    await placeOld(1);
    await buyBehindOurBack(newId());
    expect(await desk.reconcile({ dryRun: true })).toMatchObject({ opened: 1, listed: 1 });
    expect(await desk.open()).toEqual([]);
    expect(await desk.query('SELECT FROM reconciliation_progress WHERE list_until IS NOT NULL')).toEqual([]);
  });
});
