import { setTimeout as pause } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { DialectName } from '../../src/simulator/simulator';
import type { ApiClient } from './client';
import { Shopper } from './shopper';
import { catalogueOf, startVendor, type TestVendor } from './vendor';
import { waitFor } from './wait';

const DIALECTS: DialectName[] = ['rest', 'wholesale', 'feed'];
const PRODUCTS = 5;
const STOCK = 5_000;
const BUYERS = 4;
const BETWEEN_PURCHASES_MS = 15;
/** So slow that orders gather before every vendor. */
const SLOW_MS = 250;
const SYNC_INTERVAL_MS = 500;

interface Answered {
  orderId: string;
  /** This machine's clock. */
  at: number;
}

/** A vendor in each dialect, and buyers who order from all of them. Everything is remembered that was answered 201. */
export class Trade {
  readonly answered: Answered[] = [];

  private constructor(readonly vendors: TestVendor[]) {}

  static async open(): Promise<Trade> {
    const catalogue = catalogueOf(PRODUCTS, STOCK);
    return new Trade(
      await Promise.all(DIALECTS.map((dialect) => startVendor(`${dialect}-vendor`, catalogue, { dialect }))),
    );
  }

  /** Registers the vendors and waits for their stock. */
  async begin(client: ApiClient): Promise<void> {
    for (const { vendorId, kind, baseUrl } of this.vendors) {
      const vendor = { name: vendorId, kind, baseUrl, syncIntervalMs: SYNC_INTERVAL_MS, consistencyLagMs: 500 };
      const { status, body } = await client.put(`/v1/vendors/${vendorId}`, { ...vendor, maxConcurrentOrders: 2 });
      if (status !== 201) throw new Error(`${vendorId} was not registered: ${JSON.stringify(body)}`);
    }
    const listed = async (): Promise<number> => (await client.get('/v1/products?limit=200')).body.items.length;
    await waitFor(async () => (await listed()) === PRODUCTS * DIALECTS.length, { withinMs: 20_000, what: 'the stock' });
  }

  async slowDown(): Promise<void> {
    await Promise.all(this.vendors.map((vendor) => vendor.faults({ latency: { ms: SLOW_MS, operation: 'order' } })));
  }

  async speedUp(): Promise<void> {
    await Promise.all(this.vendors.map((vendor) => vendor.faults({})));
  }

  /** Buys without pause until the work is done. */
  async buyWhile<Result>({ url }: ApiClient, apiKey: string, work: () => Promise<Result>): Promise<Result> {
    const shopper = new Shopper(url, apiKey, BUYERS);
    let over = false;
    const buying = Array.from({ length: BUYERS }, async (_, buyer) => {
      for (let purchase = buyer; !over; purchase += BUYERS) {
        const { vendorId } = this.vendors[purchase % this.vendors.length]!;
        const told = await shopper.order(`${vendorId}:A-${1 + (purchase % PRODUCTS)}`);
        if ('status' in told && told.status === 201) this.answered.push({ orderId: told.orderIds[0]!, at: Date.now() });
        await pause(BETWEEN_PURCHASES_MS);
      }
    });
    try {
      return await work();
    } finally {
      over = true;
      await Promise.all(buying);
      await shopper.close();
    }
  }

  /** How often each reference stands accepted in the vendors' own books. */
  async books(): Promise<Map<string, number>> {
    const purchases = new Map<string, number>();
    for (const vendor of this.vendors) {
      for (const { reference } of await vendor.accepted())
        purchases.set(reference, (purchases.get(reference) ?? 0) + 1);
    }
    return purchases;
  }

  /** Waits until every order is decided, and what is in stock is what the vendors say is left. */
  async settled(database: DataSource): Promise<void> {
    const open = `SELECT count(*)::integer AS count FROM orders WHERE status = 'pending'`;
    await waitFor(async () => (await database.query(open))[0].count === 0, {
      withinMs: 120_000,
      what: 'every order to be decided',
    });
    const left = STOCK * PRODUCTS * this.vendors.length - (await this.books()).size;
    const stock =
      'SELECT sum(vendor_quantity)::integer AS theirs, sum(stock_quantity)::integer AS sellable FROM products';
    await waitFor(
      async () => {
        const [{ theirs, sellable }] = await database.query(stock);
        return theirs === left && sellable === left;
      },
      { withinMs: 30_000, what: `${left} units in stock` },
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.vendors.map((vendor) => vendor.stop()));
  }
}

interface OrderRow {
  order_id: string;
  vendor_id: string;
  status: string;
  attempts: number;
}

export function ordersIn(database: DataSource): Promise<OrderRow[]> {
  return database.query(
    `SELECT order_id, vendor_id, status::text,
            (SELECT count(*)::integer FROM dispatch_attempts a WHERE a.order_id = o.order_id AND counted) AS attempts FROM orders o`,
  );
}
