import { setTimeout as pause } from 'node:timers/promises';
import { deadlocks } from '../support/deadlocks';
import { type Fleet, miscounted, startFleet } from '../support/fleet';
import { seeded, shuffled } from '../support/random';
import { Shopper, tally, type Told } from '../support/shopper';
import { catalogueOf } from '../support/vendor';
import { waitFor } from '../support/wait';

const UNITS = 200;
const VENDORS = { alpha: 17, beta: 17, gamma: 16 };
const PRODUCTS = 50;
const SOLD = PRODUCTS * UNITS;
/** Twice what there is of each product. */
const BUYERS = 2 * SOLD;
const CONNECTIONS = 192;
/** Less than the scheduler's own pause: every vendor is due again whenever it looks. */
const WITHOUT_PAUSE_MS = 20;
const COMPLETED_MS_MAX = 240_000;
const LOOK_EVERY_MS = 100;

describe('a flash sale', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    const catalogues = Object.fromEntries(
      Object.entries(VENDORS).map(([vendorId, products]) => [vendorId, catalogueOf(products, UNITS)]),
    );
    fleet = await startFleet({
      apis: 1,
      catalogues,
      syncIntervalMs: WITHOUT_PAUSE_MS,
      maxConcurrentOrders: 32,
    });
  });

  afterAll(() => fleet?.stop());

  it('sells 20,000 buyers at once exactly the 10,000 units there are, each bought once, while stock is polled without pause', async () => {
    const { database, vendors } = fleet;
    const productIds = Object.entries(VENDORS).flatMap(([vendorId, products]) =>
      Array.from({ length: products }, (_, index) => `${vendorId}:A-${index + 1}`),
    );
    const answers = await seeded((random) =>
      whileCountersHold(() =>
        sell(
          shuffled(
            Array.from({ length: BUYERS }, (_, n) => productIds[n % PRODUCTS]!),
            random,
          ),
        ),
      ),
    );
    expect(tally(answers)).toEqual({ '201': SOLD, '409 INSUFFICIENT_STOCK': BUYERS - SOLD });
    const refusals = answers.filter(({ status }) => status === 409);
    expect(new Set(refusals.map(({ body }) => body.errors[0].available))).toEqual(new Set([0]));
    const sold = answers.flatMap(({ orderIds }) => orderIds).toSorted();
    expect(await soldOfEach()).toEqual(Object.fromEntries(productIds.toSorted().map((id) => [id, UNITS])));

    await whileCountersHold(() =>
      waitFor(async () => (await ordersThatAre('completed')) === SOLD, {
        withinMs: COMPLETED_MS_MAX,
        what: 'all orders to complete',
      }),
    );
    const books = (await Promise.all(vendors.map((vendor) => vendor.accepted()))).flat();
    expect(books.map(({ reference }) => reference).toSorted()).toEqual(sold);

    const emptied = new Date().toISOString();
    await waitFor(() => everyVendorListedSince(emptied), { withinMs: 20_000, what: 'each vendor’s empty stock' });
    expect(await stock()).toEqual([{ vendor_quantity: 0, reserved_quantity: 0, listed: true, products: PRODUCTS }]);
    expect(await syncRuns()).toEqual(['succeeded']);
    expect(await deadlocks(database.dataSource)).toBe(0);
    expect(fleet.errorsLogged()).toEqual([]);
  }, 400_000);

  async function sell(wanted: string[]): Promise<Told[]> {
    const shopper = new Shopper(fleet.apis[0]!.url, fleet.apiKey, CONNECTIONS);
    try {
      return (await Promise.all(wanted.map((productId) => shopper.order(productId)))) as Told[];
    } finally {
      await shopper.close();
    }
  }

  /** Looks again and again while the work is under way, and once more after it. */
  async function whileCountersHold<Result>(work: () => Promise<Result>): Promise<Result> {
    let underWay = true;
    const looking = (async () => {
      for (let looks = 1; ; looks++) {
        const last = !underWay;
        expect(await miscounted(fleet.database)).toEqual([]);
        if (last) return looks;
        await pause(LOOK_EVERY_MS);
      }
    })();
    const worked = work().finally(() => (underWay = false));
    const [result, looks] = await Promise.all([worked, looking]);
    expect(looks).toBeGreaterThan(10);
    return result;
  }

  async function ordersThatAre(status: string): Promise<number> {
    const [{ count }] = await fleet.database.dataSource.query(
      'SELECT count(*)::integer AS count FROM orders WHERE status = $1',
      [status],
    );
    return count;
  }

  async function soldOfEach(): Promise<Record<string, number>> {
    const [{ sold }] = await fleet.database.dataSource.query(
      `SELECT json_object_agg(product_id, quantity) AS sold
       FROM (SELECT product_id, sum(quantity) AS quantity FROM orders GROUP BY product_id) o`,
    );
    return sold;
  }

  function stock(): Promise<unknown[]> {
    return fleet.database.dataSource.query(
      `SELECT vendor_quantity, reserved_quantity, listed, count(*)::integer AS products
       FROM products GROUP BY vendor_quantity, reserved_quantity, listed`,
    );
  }

  async function everyVendorListedSince(time: string): Promise<boolean> {
    const { body } = await fleet.client.get<{ items: { lastSyncAt: string }[] }>('/v1/vendors');
    return body.items.every(({ lastSyncAt }) => lastSyncAt > time);
  }

  /** How the polls of the whole sale ended. */
  async function syncRuns(): Promise<string[]> {
    const found = await fleet.database.dataSource.query<{ status: string }[]>(
      'SELECT DISTINCT status FROM stock_sync_runs WHERE finished_at IS NOT NULL',
    );
    return found.map(({ status }) => status);
  }
});
