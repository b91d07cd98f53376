import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { Sweeper } from '../../../src/orders/fulfilment/sweeper';
import { CaseQueries } from '../../../src/operations/reconciliation/case-queries';
import { Reconciliation } from '../../../src/operations/reconciliation/reconciliation';
import { RunQueries } from '../../../src/operations/reconciliation/run-queries';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { Decision } from '../../../src/stock/sync/decision';
import { StockSync } from '../../../src/stock/sync/stock-sync';
import { SyncSuperseded } from '../../../src/stock/sync/sync.errors';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { createApp, type TestApp } from '../../support/app';
import { freePort } from '../../support/processes';
import { type ScriptedAnswer, ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { catalogueOf, startVendor, type TestVendor } from '../../support/vendor';
import { waitFor } from '../../support/wait';

const STOCK = 50;

describe('a vendor that is registered with another address', () => {
  let app: TestApp;
  /** Where it is at first, and where it is said to be later: each with books of its own. */
  let here: TestVendor;
  let there: TestVendor;

  beforeEach(async () => {
    app = await createApp({ VENDOR_TIMEOUT_MS: '2000' });
    [here, there] = await Promise.all([open(), open()]);
    await app.register({ vendorId: 'acme', baseUrl: here.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    await app.close();
    await Promise.all([here.stop(), there.stop()]);
  });

  const open = () => startVendor('acme', catalogueOf(3, STOCK));
  const goesTo = (vendor: { baseUrl: string }, options?: { moved: boolean }) =>
    app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl }, options);

  async function place(): Promise<string> {
    const placed = app.context.get(Placement).place({ productId: 'acme:A-1', quantity: 1 }, { client: 'test' });
    return (await placed).order.orderId;
  }

  /** Hands on every message there is, due or not, one after the other. */
  async function step(): Promise<void> {
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
  }

  /** Every send's deadline has passed: who does not find it now does not have it. */
  const letTimePass = () =>
    app.dataSource.query(`UPDATE dispatch_attempts SET deadline_at = clock_timestamp() - interval '1 ms'`);

  async function steps(times = 3): Promise<void> {
    for (let count = 0; count < times; count++) {
      await letTimePass();
      await step();
    }
  }

  const orderOf = (orderId: string) => app.context.get(OrderQueries).get(orderId);
  const detailsOf = async (orderId: string) =>
    (await app.context.get(OrderQueries).events(orderId)).map(({ detail }) => detail).join('\n');
  const holdOf = async (orderId: string) =>
    (await app.dataSource.query('SELECT hold_state AS hold FROM orders WHERE order_id = $1', [orderId]))[0].hold;
  const reserved = async () =>
    (await app.dataSource.query(`SELECT reserved_quantity AS units FROM products WHERE sku = 'A-1'`))[0]
      .units as number;
  const has = async (vendor: TestVendor) => (await vendor.accepted()).map(({ reference }) => reference);

  /** It is in the books of where the vendor is now, and we have not heard. */
  async function placeUnknown(vendor: TestVendor): Promise<string> {
    await vendor.faults({ acceptThenDrop: { count: 1 } });
    const orderId = await place();
    await step();
    expect(await has(vendor)).toEqual([orderId]);
    return orderId;
  }

  async function placeAccepted(): Promise<string> {
    const orderId = await place();
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    expect(await holdOf(orderId)).toBe('acknowledged');
    return orderId;
  }

  async function reconcile(): Promise<void> {
    await app.context.get(RunQueries).request('acme', false, 'desk');
    const reconciliation = app.context.get(Reconciliation);
    await reconciliation.run((await reconciliation.claim())!, new AbortController().signal);
  }

  const casesOpen = async () =>
    (await app.context.get(CaseQueries).list({ status: 'open', limit: 10 })).map(({ found }) => found);

  it('has what was sent before looked up where it was sent, and buys nothing twice', async () => {
    const orderId = await placeUnknown(here);
    await goesTo(there);
    await steps();
    expect([await has(here), await has(there)]).toEqual([[orderId], []]);
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    expect(await holdOf(orderId)).toBe('acknowledged');
  });

  it('gets what its former address is proved never to have got', async () => {
    await here.faults({ error5xx: { count: 1, operation: 'order' } });
    const orderId = await place();
    await step();
    await goesTo(there);
    await steps();
    expect([await has(here), await has(there)]).toEqual([[], [orderId]]);
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
  });

  it('sends new orders to the new address while old ones are looked up at the former one', async () => {
    const old = await placeUnknown(here);
    await goesTo(there);
    await here.faults({ outage: { count: 20 } });
    await step();
    const young = await place();
    for (let times = 0; times < 8; times++) await step();
    expect([await has(there), await orderOf(young)]).toEqual([
      [young],
      expect.objectContaining({ status: 'completed' }),
    ]);
    expect(await orderOf(old)).toMatchObject({ status: 'pending' });
    expect((await app.context.get(VendorRegistry).get('acme')).breakers.orders).toBe('closed');
    expect(await detailsOf(old)).toContain(here.baseUrl);
    await here.faults({});
    await steps();
    expect([await has(here), await orderOf(old)]).toEqual([[old], expect.objectContaining({ status: 'completed' })]);
  });

  it('has an operator asked, in words that name the former address, where that answers no more', async () => {
    const orderId = await placeUnknown(here);
    await goesTo(there);
    await here.faults({ outage: { count: 20 } });
    await steps(2);
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: false });
    await app.dataSource.query(`UPDATE orders SET created_at = created_at - interval '2 days'`);
    await steps(2);
    const attentionReason = expect.stringContaining(here.baseUrl);
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: true, attentionReason });
    await app.context.get(Sweeper).runOnce(0);
    expect([await has(there), await reserved()]).toEqual([[], 1]);
  });

  it('has an order cancelled where it was sent', async () => {
    const orderId = await placeUnknown(here);
    await goesTo(there);
    await app.context.get(Cancellation).cancel(orderId);
    await steps();
    expect([await has(here), await has(there)]).toEqual([[], []]);
    expect(await orderOf(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
    expect(await reserved()).toBe(0);
  });

  it('keeps a hold that its former address has accepted, whatever the new one lists', async () => {
    const orderId = await placeAccepted();
    await goesTo(there);
    for (let listing = 0; listing < 3; listing++) {
      await there.setStock('A-2', listing);
      await app.sync('acme');
    }
    expect([await holdOf(orderId), await reserved()]).toEqual(['acknowledged', 1]);
    await reconcile();
    const [found, ...others] = await casesOpen();
    // Not: that the new address does not have it.
    expect([found!.kind, others]).toEqual(['holdsNeverSettle', []]);
    expect(found!.resolutions).toContain('settle');
  });

  it('settles what the new address has accepted by its listings', async () => {
    await goesTo(there);
    await app.sync('acme');
    const orderId = await placeAccepted();
    await app.sync('acme');
    expect([await holdOf(orderId), await reserved()]).toEqual(['settled', 0]);
  });

  it('believes the new address’ clock, though it be behind that of the former one', async () => {
    await there.faults({ clockSkew: { ms: -3_600_000 } });
    await there.setStock('A-1', 7);
    await goesTo(there);
    expect(await app.sync('acme')).toMatchObject({ status: 'succeeded' });
    const [product] = await app.dataSource.query(`SELECT vendor_quantity AS units FROM products WHERE sku = 'A-1'`);
    expect(product.units).toBe(7);
  });

  it('does not take what another address listed for a listing that contains an acceptance', async () => {
    const orderId = await placeUnknown(here);
    // Whose clock runs ahead by far.
    await there.faults({ clockSkew: { ms: 200_000 } });
    await there.setStock('A-1', 9);
    await goesTo(there);
    await app.sync('acme');
    await goesTo(here);
    await steps(1);
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
    expect([await holdOf(orderId), await reserved()]).toEqual(['acknowledged', 1]);
    await app.sync('acme');
    expect([await holdOf(orderId), await reserved()]).toEqual(['settled', 0]);
  });

  it('is where it was when it comes back: what was accepted there settles, and what is open is looked up there', async () => {
    const accepted = await placeAccepted();
    const unknown = await place();
    await here.faults({ acceptThenDrop: { count: 1 } });
    await step();
    await goesTo(there);
    await app.sync('acme');
    const sold = await placeAccepted();
    await goesTo(here);
    await steps();
    await app.sync('acme');
    expect(await Promise.all([accepted, unknown].map(holdOf))).toEqual(['settled', 'settled']);
    expect([await holdOf(sold), await reserved()]).toEqual(['acknowledged', 1]);
    expect([(await has(here)).toSorted(), await has(there)]).toEqual([[accepted, unknown].toSorted(), [sold]]);
  });

  it.each(['at once', 'later'])(
    'is asked about everything at its new address, where its books have moved: said %s',
    async (when) => {
      const accepted = await placeAccepted();
      const unknown = await place();
      await here.faults({ acceptThenDrop: { count: 1 } });
      await step();
      const name = { baseUrl: here.baseUrl.replace('127.0.0.1', 'localhost') };
      if (when === 'later') await goesTo(name);
      await goesTo(name, { moved: true });
      await steps();
      await app.sync('acme');
      expect(await Promise.all([accepted, unknown].map(holdOf))).toEqual(['settled', 'settled']);
      expect(await app.dataSource.query('SELECT FROM vendor_former_addresses')).toEqual([]);
      expect(await detailsOf(unknown)).not.toContain('former address');
    },
  );

  it('is at the same address with another credential: it is asked there, with that', async () => {
    const orderId = await placeUnknown(here);
    process.env.VENDOR_TOKEN_ROTATED = 'rotated';
    try {
      await app.register({ vendorId: 'acme', baseUrl: here.baseUrl, credentialEnv: 'VENDOR_TOKEN_ROTATED' });
      await steps();
      expect(await orderOf(orderId)).toMatchObject({ status: 'completed' });
      await app.sync('acme');
      expect(await holdOf(orderId)).toBe('settled');
    } finally {
      delete process.env.VENDOR_TOKEN_ROTATED;
    }
  });

  it('has what it is compared with looked up where it was accepted', async () => {
    const orderId = await placeAccepted();
    await goesTo(there);
    await app.dataSource.query(`UPDATE orders SET updated_at = now() - interval '2 hours'`);
    await reconcile();
    expect(await casesOpen()).toEqual([]);
    await fetch(`${here.baseUrl}/orders/${orderId}`, { method: 'DELETE' });
    await reconcile();
    const [found] = await casesOpen();
    expect(found).toMatchObject({ kind: 'completedButRefused', evidence: { vendor: { at: here.baseUrl } } });
  });

  it('is not sent by a call under way what goes to its former address, nor asked about it', async () => {
    const slow = await ScriptedVendor.listen();
    try {
      await goesTo(slow);
      let answer = (_: ScriptedAnswer): void => undefined;
      slow.onPurchase = () => new Promise((resolve) => (answer = resolve));
      const orderId = await place();
      const sending = step();
      await waitFor(() => slow.purchases.length === 1, { withinMs: 10_000, what: 'the purchase' });
      await goesTo(there);
      answer('drop');
      await sending;
      slow.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
      await steps();
      expect([slow.lookUps, await has(there)]).toEqual([[orderId], []]);
      expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-1' });
    } finally {
      await slow.close();
    }
  });

  it('has a listing of its former address neither accepted nor applied any further', async () => {
    await here.faults({ emptySnapshot: { count: 1 } });
    const held = await app.sync('acme');
    expect(held.status).toBe('held');
    const [{ id }] = await app.dataSource.query(`SELECT sync_run_id AS id FROM stock_sync_runs WHERE status = 'held'`);
    await goesTo(there);
    const accepting = app.context.get(Decision).accept('acme', id, { note: 'It is so.', by: 'desk' });
    await expect(accepting).rejects.toThrow(SyncSuperseded);
    // A run that was held meanwhile all the same.
    await app.dataSource.query(`UPDATE stock_sync_runs SET status = 'held' WHERE sync_run_id = $1`, [id]);
    const again = app.context.get(Decision).accept('acme', id, { note: 'It is so.', by: 'desk' });
    await expect(again).rejects.toThrow(SyncSuperseded);
    expect(await app.dataSource.query('SELECT FROM products WHERE listed')).toHaveLength(3);
  });

  it('takes the vendor from a sync of its former address', async () => {
    await app.dataSource.query(`UPDATE vendors SET sync_due_at = now()`);
    const lease = (await app.context.get(StockSync).takeDue())!;
    await here.setStock('A-1', 1);
    await goesTo(there);
    await expect(app.context.get(StockSync).run(lease, new AbortController().signal)).rejects.toThrow('lease');
    await app.sync('acme');
    const [product] = await app.dataSource.query(`SELECT vendor_quantity AS units FROM products WHERE sku = 'A-1'`);
    expect(product.units).toBe(STOCK);
  });

  it('is not held for what the former address failed', async () => {
    await here.faults({ outage: { count: 20 } });
    for (let orders = 0; orders < 6; orders++) await place();
    await step();
    expect((await app.context.get(VendorRegistry).get('acme')).breakers.orders).toBe('open');
    await goesTo({ baseUrl: `http://127.0.0.1:${await freePort()}` });
    expect((await app.context.get(VendorRegistry).get('acme')).breakers.orders).toBe('closed');
  });
});
