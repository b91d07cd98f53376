import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import type { Order } from '../../../src/orders/order';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { createApp, type TestApp } from '../../support/app';
import { NOT_FOUND, type ScriptedAnswer, ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

/** As many calls in a row as open the breaker. */
const CALLS = 5;
const ORDERS = 6;
const PAGE = '<html><h1>Not here</h1></html>';
const DOORS: [string, ScriptedAnswer][] = [
  ...[400, 401, 403, 404, 405, 407, 410, 421, 426, 451].map((status): [string, ScriptedAnswer] => [
    `a page with ${status}`,
    { status, body: PAGE },
  ]),
  ['the 404 of a gateway', { status: 404, body: { message: 'no Route matched with those values' } }],
  ['a redirect', { status: 302, headers: { location: '/sign-in' } }],
];

describe('a vendor whose door is shut', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    // One attempt: an order that used up any would be given up.
    app = await createApp({ DELIVERY_ATTEMPTS_MAX: '1', VENDOR_TIMEOUT_MS: '2000' });
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 100 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  async function place(): Promise<string> {
    const { order } = await app.context.get(Placement).place({ productId: 'acme:A', quantity: 1 }, { client: 'test' });
    return order.orderId;
  }

  /** Hands on every message there is, due or not, one after the other. */
  async function step(): Promise<void> {
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
  }

  const cancel = (orderId: string) => app.context.get(Cancellation).cancel(orderId);
  const orderOf = (orderId: string): Promise<Order> => app.context.get(OrderQueries).get(orderId);
  const breaker = async () => (await app.context.get(VendorRegistry).get('acme')).breaker;
  const pauseEnds = () => app.dataSource.query(`UPDATE vendor_breakers SET open_until = now() - interval '1 ms'`);
  /** Every send's deadline has passed: a vendor that does not find it now does not have it. */
  const letTimePass = () =>
    app.dataSource.query(`UPDATE dispatch_attempts SET deadline_at = clock_timestamp() - interval '1 ms'`);
  const calls = () => vendor.purchases.length + vendor.lookUps.length + vendor.cancels.length;
  const reserved = async () =>
    (await app.dataSource.query(`SELECT reserved_quantity AS units FROM products`))[0].units as number;

  function shut(answer: ScriptedAnswer): void {
    vendor.onPurchase = vendor.onLookUp = vendor.onCancel = () => answer;
  }

  /** Its own program answers again. What it never got it does not have. */
  function opens(): void {
    vendor.accepts(at(-30));
    vendor.onLookUp = () => NOT_FOUND;
    vendor.onCancel = () => ({ status: 204 });
  }

  async function probedUntil(stillOpen: () => Promise<boolean>): Promise<void> {
    for (let steps = 0; steps < 20 && (await stillOpen()); steps++) {
      await pauseEnds();
      await letTimePass();
      await step();
    }
  }

  it.each(DOORS)(
    'is left alone after %s, no order of it is given up, and all are placed once it opens',
    async (_, answer) => {
      shut(answer);
      const orders: string[] = [];
      for (let count = 0; count < ORDERS; count++) orders.push(await place());
      for (let steps = 0; steps < 4; steps++) {
        await letTimePass();
        await step();
      }
      expect([await breaker(), calls()]).toEqual(['open', CALLS]);
      // Each pause ends with one probe, which is turned away, too.
      for (let pauses = 0; pauses < 3; pauses++) {
        await pauseEnds();
        await letTimePass();
        await step();
      }
      expect([await breaker(), calls()]).toEqual(['open', CALLS + 3]);
      for (const order of await Promise.all(orders.map(orderOf)))
        expect(order).toMatchObject({ status: 'pending', needsAttention: false });
      expect(await reserved()).toBe(ORDERS);
      opens();
      await probedUntil(async () =>
        (await Promise.all(orders.map(orderOf))).some(({ status }) => status === 'pending'),
      );
      for (const order of await Promise.all(orders.map(orderOf))) expect(order).toMatchObject({ status: 'completed' });
      expect(await breaker()).toBe('closed');
    },
  );

  it.each(DOORS)('keeps what it has of an order that is cancelled meanwhile, after %s', async (_, answer) => {
    vendor.onPurchase = () => 'drop';
    const orderId = await place();
    await step();
    shut(answer);
    await cancel(orderId);
    for (let steps = 0; steps < 8; steps++) {
      await pauseEnds();
      await letTimePass();
      await step();
    }
    expect(await orderOf(orderId)).toMatchObject({ status: 'pending', needsAttention: false });
    expect([await breaker(), await reserved()]).toEqual(['open', 1]);
    // It had the order all the while, and ships it.
    vendor.onCancel = () => ({ status: 409 });
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
    await probedUntil(async () => (await orderOf(orderId)).status === 'pending');
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-1' });
    expect(vendor.purchases).toHaveLength(1);
  });

  it('is told from one that takes no cancellations: there the books decide', async () => {
    vendor.onPurchase = () => 'drop';
    const orderId = await place();
    await step();
    vendor.onCancel = () => ({ status: 405 });
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } });
    await cancel(orderId);
    await step();
    expect(await orderOf(orderId)).toMatchObject({ status: 'completed', vendorOrderId: 'V-1' });
    expect(await breaker()).toBe('closed');
  });

  it('is told from one that turns one order away among others: that one uses up its attempts', async () => {
    const bad = await place();
    for (let round = 0; round < 2 * CALLS; round++) {
      vendor.onPurchase = ({ body }) => {
        const { reference } = body as { reference: string };
        if (reference === bad) return { status: 404, body: PAGE };
        return { status: 201, body: { vendorOrderId: `V-${reference.slice(-6)}`, acceptedAt: at(-30) } };
      };
      await place();
      await letTimePass();
      await step();
    }
    expect(await orderOf(bad)).toMatchObject({ status: 'pending', needsAttention: true });
    expect(vendor.purchases.filter(({ reference }) => reference === bad)).toHaveLength(1);
    expect(await breaker()).toBe('closed');
  });
});
