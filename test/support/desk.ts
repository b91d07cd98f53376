import { Dispatch } from '../../src/orders/fulfilment/dispatch';
import { OrderQueries } from '../../src/orders/order-queries';
import type { Order } from '../../src/orders/order';
import { Placement } from '../../src/orders/placement/placement';
import type { Case, CaseKind, Resolution } from '../../src/operations/reconciliation/case';
import { CaseQueries } from '../../src/operations/reconciliation/case-queries';
import { CaseResolution } from '../../src/operations/reconciliation/case-resolution';
import { Reconciliation } from '../../src/operations/reconciliation/reconciliation';
import type { Run } from '../../src/operations/reconciliation/run';
import { RunQueries } from '../../src/operations/reconciliation/run-queries';
import { createApp, type TestApp } from './app';
import type { SimulatedVendor } from '../../src/simulator/simulator';
import { catalogueOf, startVendor, type TestVendor } from './vendor';

export const BY = { client: 'desk', apiKeyId: 'k-1' };

/** An operator's desk: an app with one simulated vendor, `acme`, whose own books are the truth. It lists its orders only if asked to. */
export interface Desk {
  app: TestApp;
  vendor: TestVendor;
  query<Row>(statement: string, values?: unknown[]): Promise<Row[]>;
  place(sku?: string, quantity?: number): Promise<string>;
  /** Each message that there is, once, due or not. */
  step(): Promise<number>;
  /** Until no message is left. */
  dispatchAll(): Promise<void>;
  placeAndDispatch(sku?: string, quantity?: number): Promise<string>;
  order(orderId: string): Promise<Order>;
  storyOf(orderId: string): Promise<string[]>;
  /** What its vendor really has of it. */
  inBooks(orderId: string): Promise<string | undefined>;
  /** As its client would with the vendor, behind our back. */
  cancelAtVendor(orderId: string): Promise<void>;
  reconcile(options?: { dryRun?: boolean }): Promise<Run>;
  open(): Promise<Case[]>;
  /** The only open case; it is of this kind. */
  only(kind: CaseKind): Promise<Case>;
  resolve(found: Case, resolution: Resolution): Promise<Case>;
  product(sku?: string): Promise<{ vendor: number; reserved: number; stock: number }>;
  close(): Promise<void>;
}

export async function openDesk(env: Record<string, string> = {}, more: Partial<SimulatedVendor> = {}): Promise<Desk> {
  const app = await createApp({ VENDOR_TIMEOUT_MS: '2000', DELIVERY_ATTEMPTS_MAX: '1', ...env });
  const vendor = await startVendor('acme', catalogueOf(5, 50), { settings: { orderList: 0 }, ...more });
  await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, kind: vendor.kind });
  await app.sync('acme');
  const get = app.context.get.bind(app.context);
  const query = <Row>(statement: string, values: unknown[] = []): Promise<Row[]> =>
    app.dataSource.query<Row[]>(statement, values);
  const desk: Desk = {
    app,
    vendor,
    query,
    place: async (sku = 'A-1', quantity = 1) => {
      const { order } = await get(Placement).place({ productId: `acme:${sku}`, quantity }, { client: 'test' });
      return order.orderId;
    },
    step: async () => {
      const messages = await app.takeMessages();
      for (const message of messages) await get(Dispatch).dispatch(message);
      return messages.length;
    },
    dispatchAll: async () => {
      while ((await desk.step()) > 0);
    },
    placeAndDispatch: async (sku, quantity) => {
      const orderId = await desk.place(sku, quantity);
      await desk.dispatchAll();
      return orderId;
    },
    order: (orderId) => get(OrderQueries).get(orderId),
    storyOf: async (orderId) => (await get(OrderQueries).events(orderId)).map(({ type }) => type),
    inBooks: async (orderId) => {
      const { items } = (await (await fetch(`${vendor.baseUrl}/_ledger?reference=${orderId}`)).json()) as {
        items: { status: string }[];
      };
      return items.map(({ status }) => status).join(', ') || undefined;
    },
    cancelAtVendor: async (orderId) => {
      await fetch(`${vendor.baseUrl}/orders/${orderId}`, { method: 'DELETE' });
    },
    reconcile: async ({ dryRun = false } = {}) => {
      const runId = await get(RunQueries).request('acme', dryRun, BY.client);
      const reconciliation = get(Reconciliation);
      const claim = (await reconciliation.claim())!;
      await reconciliation.run(claim, new AbortController().signal);
      return get(RunQueries).get(runId);
    },
    open: async () => (await get(CaseQueries).list({ status: 'open', limit: 200 })).map(({ found }) => found),
    only: async (kind) => {
      const open = await desk.open();
      expect(open.map((found) => found.kind)).toEqual([kind]);
      return open[0]!;
    },
    resolve: ({ caseId }, resolution) => get(CaseResolution).resolve(caseId, resolution, { by: BY, note: 'By phone.' }),
    product: async (sku = 'A-1') =>
      (
        await query<{ vendor: number; reserved: number; stock: number }>(
          `SELECT vendor_quantity AS vendor, reserved_quantity AS reserved, stock_quantity AS stock FROM products
           WHERE product_id = $1`,
          [`acme:${sku}`],
        )
      )[0]!,
    close: async () => {
      jest.restoreAllMocks();
      await vendor.stop();
      await app.close();
    },
  };
  return desk;
}
