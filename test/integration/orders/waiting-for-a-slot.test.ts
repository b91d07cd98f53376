import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { ClaimRepository } from '../../../src/orders/fulfilment/claim.repository';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const VENDORS = 10;
const WAITERS = 8;
const WATCHED_MS = 3000;
/** For each vendor; by itself each waiter would ask some 13 times. */
const ASKED_PER_SECOND_MAX = 6;

describe('orders whose vendor has no free slot', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 100 });
    vendor.accepts(at(-30));
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await vendor.close();
    await app.close();
  });

  async function place(vendorId: string): Promise<string> {
    const placed = app.context.get(Placement).place({ productId: `${vendorId}:A`, quantity: 1 }, { client: 'test' });
    return (await placed).order.orderId;
  }

  /** Other workers have all of them. */
  const takeAll = () =>
    app.dataSource.query(`UPDATE vendor_slots SET token = 0, leased_until = now() + interval '1 hour'`);
  const freeAll = () => app.dataSource.query('UPDATE vendor_slots SET token = NULL, leased_until = NULL');

  it('cost a few statements a second, and are sent once one is free', async () => {
    const orders: string[] = [];
    for (let vendorNumber = 0; vendorNumber < VENDORS; vendorNumber++) {
      const vendorId = `v${vendorNumber}`;
      await app.register({ vendorId, baseUrl: vendor.baseUrl, maxConcurrentOrders: 1 });
      await app.sync(vendorId);
      for (let order = 0; order < WAITERS; order++) orders.push(await place(vendorId));
    }
    await takeAll();
    const asked = jest.spyOn(app.context.get(ClaimRepository), 'take');
    const messages = await app.takeMessages();
    const dispatched = Promise.all(messages.map((message) => app.context.get(Dispatch).dispatch(message)));
    await waitFor(() => asked.mock.calls.length >= 2 * VENDORS, { withinMs: 20_000, what: 'all queues' });
    asked.mockClear();
    const until = performance.now() + WATCHED_MS;
    await waitFor(() => performance.now() > until, { withinMs: 10 * WATCHED_MS, what: 'the end of the watch' });
    const perSecond = (asked.mock.calls.length * 1000) / WATCHED_MS;
    expect(perSecond).toBeLessThan(VENDORS * ASKED_PER_SECOND_MAX);
    await freeAll();
    await dispatched;
    // One slot a vendor, and each call's end wakes the next: none is given back.
    const statuses = await Promise.all(orders.map(async (id) => (await app.context.get(OrderQueries).get(id)).status));
    expect(statuses).toEqual(orders.map(() => 'completed'));
    expect(new Set(vendor.purchases.map(({ reference }) => reference)).size).toBe(orders.length);
  });

  it('go back, as they came, where a worker gets none for long', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, maxConcurrentOrders: 1 });
    await app.sync('acme');
    const orderId = await place('acme');
    await takeAll();
    const [message] = await app.takeMessages();
    expect(await app.context.get(Dispatch).dispatch(message!)).toBe(false);
    const [back] = await app.takeMessages();
    expect(back).toMatchObject({ subject: orderId, attempt: message!.attempt });
    expect(await app.dataSource.query('SELECT FROM dispatch_attempts')).toEqual([]);
  });

  it('are given back at once when the process stops', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, maxConcurrentOrders: 1 });
    await app.sync('acme');
    for (let order = 0; order < WAITERS; order++) await place('acme');
    await takeAll();
    const asked = jest.spyOn(app.context.get(ClaimRepository), 'take');
    const messages = await app.takeMessages();
    const dispatched = messages.map((message) => app.context.get(Dispatch).dispatch(message));
    const ended = Promise.allSettled(dispatched);
    await waitFor(() => asked.mock.calls.length > 0, { withinMs: 10_000, what: 'somebody to ask' });
    app.context.get(Dispatch).stop();
    expect((await ended).map(({ status }) => status)).toEqual(messages.map(() => 'rejected'));
  });
});
