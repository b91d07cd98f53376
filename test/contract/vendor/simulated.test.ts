import { type Listing, NO_MARKS } from '../../../src/vendors/vendor-adapter';
import { VendorHttp } from '../../../src/vendors/vendor-http';
import { Config } from '../../../src/config/config';
import { startVendor, type TestVendor } from '../../support/vendor';
import { rowsOf, TOKEN, TOKEN_ENV, vendorAt } from './counter';
import * as dialects from './dialects';

const PRODUCTS = Array.from({ length: 2500 }, (_, index) => ({
  sku: `A-${String(index).padStart(4, '0')}`,
  name: `Article ${index}`,
  quantity: index % 7,
  price: `${index}.${String(index % 100).padStart(2, '0')}`,
}));
const SOLD = 'A-0005';

/** The adapters against vendors with books of their own, over several pages. */
describe.each([dialects.rest, dialects.wholesale, dialects.feed])(
  'the $kind adapter at a simulated vendor',
  (dialect) => {
    let shop: TestVendor;
    let http: VendorHttp;

    beforeEach(async () => {
      process.env[TOKEN_ENV] = TOKEN;
      const more = { dialect: dialect.kind as TestVendor['kind'], token: TOKEN };
      shop = await startVendor('simulated-shop', PRODUCTS, more);
      http = new VendorHttp(Config.read({ VENDOR_TIMEOUT_MS: '2000' }));
    });
    afterEach(async () => {
      await http.onModuleDestroy();
      await shop.stop();
      delete process.env[TOKEN_ENV];
    });

    const vendor = () => vendorAt(shop.baseUrl, dialect.kind);
    const poll = (kind: 'full' | 'delta', marks = NO_MARKS) =>
      dialect.adapter(http).poll(vendor(), { kind, marks, signal: new AbortController().signal });

    async function listed(kind: 'full' | 'delta', marks = NO_MARKS) {
      const listing = (await poll(kind, marks)) as Listing;
      expect(listing.outcome).toBe('listing');
      return { kind: listing.kind, rows: await rowsOf(listing), marks: listing.marks() };
    }

    it('reads the whole catalogue, and then what has changed, or that nothing has', async () => {
      const whole = await listed('full');
      expect(whole.kind).toBe('full');
      expect(whole.rows.toSorted((a, b) => ((a.sku as string) < (b.sku as string) ? -1 : 1))).toEqual(PRODUCTS);
      if (whole.marks.etag !== null) expect(await poll('full', whole.marks)).toEqual({ outcome: 'unchanged' });

      await shop.setStock(SOLD, 77);
      const after = await listed(whole.marks.position === null ? 'full' : 'delta', whole.marks);
      expect(after.rows).toContainEqual({ ...PRODUCTS[5], quantity: 77 });
      expect(after.rows).toHaveLength(after.kind === 'delta' ? 1 : PRODUCTS.length);
    });

    it('bears with failing pages', async () => {
      await shop.faults({ error5xx: { operation: 'stock', count: 2 } });
      expect((await listed('full')).rows).toHaveLength(PRODUCTS.length);
    });

    it('orders once, finds it, cancels it, and buys nothing with it afterwards', async () => {
      const adapter = dialect.adapter(http);
      const order = { reference: 'order-1', sku: SOLD, quantity: 1 };
      await adapter.purchase(vendor(), order);
      await adapter.purchase(vendor(), order);
      // A queue decides in its own time; each look-up is a round trip to it.
      let found = await adapter.lookUp(vendor(), order.reference);
      while (found.outcome === 'pending') found = await adapter.lookUp(vendor(), order.reference);
      expect(found.outcome).toBe('accepted');
      expect(await shop.accepted()).toMatchObject([{ reference: 'order-1', sku: SOLD, quantity: 1 }]);

      expect(await adapter.cancel(vendor(), order.reference)).toEqual({ outcome: 'cancelled' });
      expect(await adapter.purchase(vendor(), order)).toMatchObject({ outcome: 'refused', reason: 'CANCELLED' });
      expect(await adapter.lookUp(vendor(), order.reference)).toMatchObject({
        outcome: 'refused',
        reason: 'CANCELLED',
      });
      expect(await shop.accepted()).toEqual([]);
    });

    it.each([
      ['OUT_OF_STOCK', 'A-0001', 2],
      ['UNKNOWN_SKU', 'NO-SUCH', 1],
    ])('is refused in the vendor’s words: %s', async (reason, sku, quantity) => {
      const adapter = dialect.adapter(http);
      const order = { reference: 'order-1', sku, quantity };
      let answer: { outcome: string } = await adapter.purchase(vendor(), order);
      while (answer.outcome === 'unknown' || answer.outcome === 'pending') {
        answer = await adapter.lookUp(vendor(), order.reference);
      }
      expect(answer).toMatchObject({ outcome: 'refused', reason });
    });
  },
);
