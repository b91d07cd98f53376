import { Dispatch } from '../../src/orders/fulfilment/dispatch';
import { Placement } from '../../src/orders/placement/placement';
import { createApp, type TestApp } from './app';
import { ScriptedStock } from './scripted-stock';
import { ScriptedVendor } from './scripted-vendor';

/** An app with one vendor, `acme`: its orders are a scripted vendor's, its stock is scripted too. */
export interface StockRoom {
  app: TestApp;
  vendor: ScriptedVendor;
  stock: ScriptedStock;
  product(sku: string): Promise<Record<string, unknown>>;
  /** What the vendor's row says. */
  acme(): Promise<Record<string, unknown>>;
  place(sku: string, quantity: number): Promise<string>;
  dispatchAll(): Promise<void>;
  holdOf(orderId: string): Promise<string>;
  close(): Promise<void>;
}

export async function openStockRoom(): Promise<StockRoom> {
  const app = await createApp();
  const vendor = await ScriptedVendor.listen();
  await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
  const first = async (statement: string, values: unknown[] = []) => (await app.dataSource.query(statement, values))[0];
  return {
    app,
    vendor,
    stock: new ScriptedStock(app.context),
    product: (sku) =>
      first(
        `SELECT vendor_quantity AS vendor, reserved_quantity AS reserved, stock_quantity AS stock, listed, xmin
         FROM products WHERE product_id = $1`,
        [`acme:${sku}`],
      ),
    acme: () => first(`SELECT * FROM vendors WHERE vendor_id = 'acme'`),
    place: async (sku, quantity) => {
      const placement = app.context.get(Placement);
      const { order } = await placement.place({ productId: `acme:${sku}`, quantity }, { client: 'test' });
      return order.orderId;
    },
    dispatchAll: async () => {
      for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
    },
    holdOf: async (orderId) => (await first('SELECT hold_state FROM orders WHERE order_id = $1', [orderId])).hold_state,
    close: async () => {
      jest.restoreAllMocks();
      await vendor.close();
      await app.close();
    },
  };
}

/** `count` SKUs, each with the same quantity. */
export function skus(count: number, quantity: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`S${index}`, quantity]));
}
