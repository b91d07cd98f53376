import { checkoutOf } from '../../../src/orders/checkout';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { OrderQueries } from '../../../src/orders/order-queries';
import { type Line, Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { deadlocks } from '../../support/deadlocks';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

describe('checking out', () => {
  let app: TestApp;
  let vendors: ScriptedVendor[];

  beforeEach(async () => {
    app = await createApp();
    vendors = [await ScriptedVendor.listen(), await ScriptedVendor.listen()];
    for (const [index, vendor] of vendors.entries()) {
      vendor.lists(at(-60), { A: 10, B: 10, C: 2 });
      vendor.accepts(at(-30));
      await app.register({ vendorId: `v${index + 1}`, baseUrl: vendor.baseUrl });
      await app.sync(`v${index + 1}`);
    }
  });

  afterEach(async () => {
    await Promise.all(vendors.map((vendor) => vendor.close()));
    await app.close();
  });

  const checkOut = (lines: [productId: string, quantity: number][], idempotencyKey?: string) =>
    app.context.get(Placement).checkOut(
      lines.map(([productId, quantity]): Line => ({ productId, quantity })),
      { client: 'shop', idempotencyKey },
    );

  async function reserved(): Promise<Record<string, number>> {
    const found = await app.dataSource.query<{ product_id: string; reserved: number }[]>(
      'SELECT product_id, reserved_quantity AS reserved FROM products WHERE reserved_quantity > 0 ORDER BY product_id',
    );
    return Object.fromEntries(found.map((product) => [product.product_id, product.reserved]));
  }

  it('makes an order for each product, over all vendors, in one transaction', async () => {
    const { orders } = await checkOut([
      ['v1:A', 1],
      ['v2:A', 2],
      ['v1:B', 3],
    ]);
    expect(orders.map(({ productId, quantity }) => [productId, quantity])).toEqual([
      ['v1:A', 1],
      ['v2:A', 2],
      ['v1:B', 3],
    ]);
    expect(new Set(orders.map(({ checkoutId }) => checkoutId)).size).toBe(1);
    expect(await reserved()).toEqual({ 'v1:A': 1, 'v1:B': 3, 'v2:A': 2 });
    const [{ transactions }] = await app.dataSource.query(
      'SELECT count(DISTINCT xmin::text)::integer AS transactions FROM orders',
    );
    expect(transactions).toBe(1);
    expect(await app.takeMessages()).toHaveLength(3);
  });

  it('sums the lines of one product', async () => {
    const { orders } = await checkOut([
      ['v1:A', 1],
      ['v1:B', 1],
      ['v1:A', 4],
    ]);
    expect(orders.map(({ productId, quantity }) => [productId, quantity])).toEqual([
      ['v1:A', 5],
      ['v1:B', 1],
    ]);
  });

  it('places nothing when one line does not fit, and names every line that does not', async () => {
    const refused = checkOut([
      ['v1:A', 1],
      ['v1:C', 2],
      ['v2:C', 3],
      ['v1:C', 1],
    ]);
    await expect(refused).rejects.toMatchObject({
      code: 'INSUFFICIENT_STOCK',
      errors: [
        { field: 'lines[1].quantity', productId: 'v1:C', requested: 3, available: 2 },
        { field: 'lines[3].quantity', productId: 'v1:C', requested: 3, available: 2 },
        { field: 'lines[2].quantity', productId: 'v2:C', requested: 3, available: 2 },
      ],
    });
    expect(await reserved()).toEqual({});
    expect(await app.takeMessages()).toEqual([]);
  });

  it('names every unknown product', async () => {
    await expect(
      checkOut([
        ['v1:A', 1],
        ['v1:X', 1],
        ['nonsense', 1],
      ]),
    ).rejects.toMatchObject({
      code: 'PRODUCT_NOT_FOUND',
      errors: [{ field: 'lines[1].productId' }, { field: 'lines[2].productId' }],
    });
    expect(await reserved()).toEqual({});
  });

  it('refuses more of a product over all lines than an order may have', async () => {
    await expect(
      checkOut([
        ['v1:A', 1_000_000],
        ['v1:A', 1],
      ]),
    ).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      errors: [{ field: 'lines[0].quantity' }, { field: 'lines[1].quantity' }],
    });
  });

  it('answers the first answer again to the same key, and is not mixed up with an order’s key', async () => {
    const first = await checkOut(
      [
        ['v1:A', 1],
        ['v2:B', 2],
      ],
      'key',
    );
    expect(
      await checkOut(
        [
          ['v1:A', 1],
          ['v2:B', 2],
        ],
        'key',
      ),
    ).toEqual({ ...first, replayed: true });
    await expect(
      checkOut(
        [
          ['v2:B', 2],
          ['v1:A', 1],
        ],
        'key',
      ),
    ).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    const order = app.context
      .get(Placement)
      .place({ productId: 'v1:A', quantity: 1 }, { client: 'shop', idempotencyKey: 'key' });
    expect(await order).toMatchObject({ replayed: false });
    await expect(checkOut([['v1:C', 3]], 'none')).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' });
    await expect(checkOut([['v1:C', 3]], 'none')).rejects.toMatchObject({
      errors: [{ requested: 3, available: 2 }],
      headers: { 'idempotency-replayed': 'true' },
    });
  });

  it('never deadlocks, oversells or splits, however many overlapping ones come at once', async () => {
    const products = ['v1:A', 'v2:A', 'v1:B', 'v2:B'];
    const results = await Promise.allSettled(
      Array.from({ length: 80 }, (_, index) => {
        const turned = [...products.slice(index % 4), ...products.slice(0, index % 4)].slice(0, 3);
        return checkOut(turned.map((productId) => [productId, 1]));
      }),
    );
    expect(await deadlocks(app.dataSource)).toBe(0);
    const placed = results.filter(({ status }) => status === 'fulfilled').length;
    const codes = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code as string] : []));
    expect(new Set(codes)).toEqual(new Set(['INSUFFICIENT_STOCK']));
    const counters = await reserved();
    expect(Object.values(counters).reduce((sum, count) => sum + count, 0)).toBe(placed * 3);
    expect(Math.max(...Object.values(counters))).toBeLessThanOrEqual(10);
    // Greedy in arrival order, so at most two products can be left over.
    expect(Object.values(counters).filter((count) => count === 10).length).toBeGreaterThanOrEqual(2);
  });

  it('stands as its orders stand', async () => {
    vendors[1]!.onPurchase = () => ({ status: 409, body: { code: 'OUT_OF_STOCK', message: '' } });
    const { orders } = await checkOut([
      ['v1:A', 1],
      ['v2:A', 2],
    ]);
    const status = async () =>
      checkoutOf(await app.context.get(OrderQueries).ofCheckout(orders[0]!.checkoutId!)).status;
    expect(await status()).toBe('pending');
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
    expect(await status()).toBe('partially_failed');
    expect(checkoutOf(await app.context.get(OrderQueries).ofCheckout(orders[0]!.checkoutId!)).totalPrice).toBe('30.00');
    await expect(app.context.get(OrderQueries).ofCheckout('nonsense')).rejects.toMatchObject({
      code: 'CHECKOUT_NOT_FOUND',
    });
  });
});
