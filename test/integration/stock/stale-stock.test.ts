import { Placement } from '../../../src/orders/placement/placement';
import { ProductQueries } from '../../../src/stock/product-queries';
import type { StaleStock, Vendor } from '../../../src/vendors/vendor';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

const STOCK = 10;

describe('stock that has not been polled for a while', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp({ STOCK_SYNC_INTERVAL_MS: '60000' });
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: STOCK, B: STOCK });
    await register('sell');
    await app.sync('acme');
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  const register = (policy: StaleStock['policy'], bufferQuantity = 0, more: Partial<Vendor> = {}) =>
    app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, staleStock: { policy, bufferQuantity }, ...more });

  /** By the database's clock. */
  const polledAgo = (seconds: number) =>
    app.dataSource.query(`UPDATE vendors SET synced_at = now() - $1 * interval '1 second'`, [seconds]);

  const place = (quantity: number, idempotencyKey?: string) =>
    app.context.get(Placement).place({ productId: 'acme:A', quantity }, { client: 'shop', idempotencyKey });

  const product = async () => {
    const [read] = await app.context.get(ProductQueries).findMany(['acme:A']);
    return read!.product;
  };

  it.each([
    ['just within three default intervals', null, 179, false],
    ['beyond three default intervals', null, 181, true],
    ['within three of its own intervals', 100_000, 299, false],
    ['beyond three of its own intervals', 1000, 4, true],
  ])('is stale by the age of the last successful poll: %s', async (_, syncIntervalMs, seconds, stale) => {
    await register('sell', 0, { syncIntervalMs });
    await polledAgo(seconds);
    expect(await product()).toMatchObject({ stale });
  });

  it('is stale where no poll ever succeeded', async () => {
    await app.dataSource.query('UPDATE vendors SET synced_at = NULL');
    expect(await product()).toMatchObject({ stale: true });
  });

  it('is not made fresh by a poll that fails', async () => {
    await polledAgo(1000);
    vendor.onStock = () => ({ status: 500 });
    await app.sync('acme').catch(() => undefined);
    expect(await product()).toMatchObject({ stale: true });
    vendor.onStock = undefined;
    await app.sync('acme');
    expect(await product()).toMatchObject({ stale: false });
  });

  it.each<[StaleStock['policy'], number, boolean, number]>([
    ['sell', 3, true, STOCK],
    ['buffer', 3, true, STOCK - 3],
    ['buffer', STOCK + 1, true, 0],
    ['block', 3, true, 0],
    ['buffer', 3, false, STOCK],
    ['block', 3, false, STOCK],
  ])(
    'with the policy %s %i and stale: %s, %i can be sold, and not one more',
    async (policy, buffer, stale, sellable) => {
      await register(policy, buffer);
      if (stale) await polledAgo(1000);
      expect(await product()).toMatchObject({ stale, stockQuantity: STOCK, sellableQuantity: sellable });
      const listed = await app.context.get(ProductQueries).list({ listed: true, inStock: sellable > 0, limit: 10 });
      expect(listed.map(({ sellableQuantity }) => sellableQuantity)).toEqual([sellable, sellable]);
      const code = policy === 'block' && stale ? 'STOCK_STALE' : 'INSUFFICIENT_STOCK';
      await expect(place(sellable + 1)).rejects.toMatchObject({ code });
      if (sellable > 0) expect(await place(sellable)).toMatchObject({ order: { quantity: sellable } });
    },
  );

  it('says what is available after the buffer, and records it with the order', async () => {
    await register('buffer', 4);
    await polledAgo(1000);
    await expect(place(7)).rejects.toMatchObject({
      code: 'INSUFFICIENT_STOCK',
      errors: [{ field: 'quantity', requested: 7, available: 6 }],
    });
    await place(2);
    await expect(place(5)).rejects.toMatchObject({ errors: [{ available: 4 }] });
    expect(await app.dataSource.query('SELECT available_quantity AS available FROM orders')).toEqual([
      { available: 6 },
    ]);
  });

  it('names the products it refuses, and keeps no key for it: the same request is placed after the next poll', async () => {
    await register('block');
    await polledAgo(1000);
    await expect(place(1, 'key')).rejects.toMatchObject({
      code: 'STOCK_STALE',
      errors: [{ field: 'productId', productId: 'acme:A' }],
    });
    await app.sync('acme');
    expect(await place(1, 'key')).toMatchObject({ replayed: false });
  });

  it('sells nothing of a disabled vendor or of what left the listing, whatever the policy', async () => {
    await app.dataSource.query(`UPDATE products SET listed = false WHERE product_id = 'acme:A'`);
    expect(await product()).toMatchObject({ sellableQuantity: 0, stockQuantity: STOCK });
    await expect(place(1)).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' });
    await register('block', 0, { enabled: false });
    await polledAgo(1000);
    await expect(place(1)).rejects.toMatchObject({ code: 'VENDOR_DISABLED' });
  });
});
