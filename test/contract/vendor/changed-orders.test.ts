import { Config } from '../../../src/config/config';
import type { ChangedOrder, ChangedOrdersAnswer } from '../../../src/vendors/vendor-adapter';
import { VendorHttp } from '../../../src/vendors/vendor-http';
import { adaptersOver } from '../../../src/vendors/vendors.module';
import { catalogueOf, startVendor, type TestVendor } from '../../support/vendor';
import { vendorAt } from './counter';

const EPOCH = new Date(0);

/** Every adapter with the simulated vendor of its dialect. */
describe.each(['rest', 'wholesale', 'feed'] as const)('the list of changed orders of a %s vendor', (dialect) => {
  let vendor: TestVendor;
  let http: VendorHttp;

  beforeEach(async () => {
    vendor = await startVendor('shop', catalogueOf(3, 5), {
      dialect,
      settings: dialect === 'feed' ? { decidedAfterMs: 0 } : {},
    });
    http = new VendorHttp(Config.read({ VENDOR_TIMEOUT_MS: '2000' }));
  });

  afterEach(async () => {
    await http.onModuleDestroy();
    await vendor.stop();
  });

  const at = () => ({ ...vendorAt(vendor.baseUrl, dialect), credentialEnv: null });
  const adapter = () => adaptersOver(http).find(({ kind }) => kind === dialect)!;
  const ask = (since: Date, limit = 1000, place: string | null = null): Promise<ChangedOrdersAnswer> =>
    adapter().changedOrders!(at(), { since, limit, place });

  async function page(since: Date, limit?: number, place?: string | null) {
    const answer = await ask(since, limit, place);
    if (answer.outcome !== 'page') throw new Error(`it answered ${JSON.stringify(answer)}`);
    return answer;
  }

  async function buy(reference: string, quantity = 1): Promise<void> {
    let answer: { outcome: string } = await adapter().purchase(at(), { reference, sku: 'A-1', quantity });
    for (let turns = 0; answer.outcome === 'pending' && turns < 1000; turns++)
      answer = await adapter().lookUp(at(), reference);
    expect(['accepted', 'refused']).toContain(answer.outcome);
  }

  it('shows what was accepted, refused and cancelled, as it is now', async () => {
    await buy('kept');
    await buy('refused', 100);
    await buy('cancelled');
    await adapter().cancel(at(), 'cancelled');
    const { orders, next, asOf } = await page(EPOCH);
    const states = Object.fromEntries(orders.map(({ reference, status }) => [reference, status]));
    expect(states).toEqual({ kept: 'accepted', refused: 'refused', cancelled: 'cancelled' });
    const looked = await adapter().lookUp(at(), 'kept');
    expect(looked).toMatchObject({
      vendorOrderId: orders.find(({ reference }) => reference === 'kept')!.vendorOrderId,
    });
    expect(next).toBeNull();
    expect(Math.abs(asOf.getTime() - Date.now())).toBeLessThan(60_000);
  });

  it('is one list from its first page to its last, whatever happens meanwhile', async () => {
    for (const reference of ['one', 'two', 'three']) await buy(reference);
    const first = await page(EPOCH, 1);
    await buy('four');
    await adapter().cancel(at(), 'one');
    const found: ChangedOrder[] = [...first.orders];
    for (let place = first.next; place !== null;) {
      const after: Awaited<ReturnType<typeof page>> = await page(EPOCH, 1, place);
      expect([after.asOf, after.orders.length]).toEqual([first.asOf, 1]);
      found.push(...after.orders);
      place = after.next;
    }
    expect(found.map(({ reference }) => reference)).toEqual(['one', 'two', 'three']);
  });

  it('shows nothing that changed before the time that is asked for', async () => {
    await buy('early');
    const { asOf } = await page(EPOCH);
    expect((await page(new Date(asOf.getTime() + 60_000))).orders).toEqual([]);
    await adapter().cancel(at(), 'early');
    expect((await page(new Date(asOf.getTime() - 1))).orders).toMatchObject([
      { reference: 'early', status: 'cancelled' },
    ]);
  });

  it('may not be offered', async () => {
    await vendor.settings({ orderList: 0 });
    expect(await ask(EPOCH)).toEqual({ outcome: 'not_offered' });
  });

  it.each(['error5xx', 'outage', 'unreadableBody', 'redirect', 'tooManyRequests'])(
    'is not known after %s',
    async (fault) => {
      await vendor.faults({ [fault]: { operation: 'list' } });
      expect(await ask(EPOCH)).toMatchObject({ outcome: 'unknown', detail: expect.any(String) });
    },
  );
});
