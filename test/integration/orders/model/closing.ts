import { Dispatch } from '../../../../src/orders/fulfilment/dispatch';
import { CLOCK_MARGIN_MS, PRODUCTS, VENDORS, type VendorId } from './history';
import type { Mail } from './mail';
import { openHoldsOf } from './rules';
import { type Snapshot, type StoredOrder, takeSnapshot } from './snapshot';
import type { Stage } from './stage';

/** More deliveries than any order may need once its vendor is well. */
const DELIVERIES_MAX = 12;

/** Every vendor is well, every message is delivered until there is none, and a last listing contains all of it. */
export async function drain(stage: Stage, mail: Mail): Promise<void> {
  const { app, vendors } = stage;
  for (const vendor of Object.values(vendors)) {
    vendor.tricks = { purchase: [], lookUp: [], cancel: [] };
    vendor.feeds = [];
  }
  for (let deliveries = 0; deliveries < DELIVERIES_MAX; deliveries++) {
    await stage.letTimePass();
    mail.take(await app.takeMessages());
    const messages = mail.rest();
    if (messages.length === 0) break;
    await Promise.all(messages.map((message) => app.context.get(Dispatch).dispatch(message)));
  }
  await stage.letIntervalsPass();
  for (const vendorId of VENDORS) {
    for (let ms = 0; ms <= CLOCK_MARGIN_MS[vendorId]; ms++) vendors[vendorId].books.tick();
    await app.sync(vendorId);
  }
}

/** What is wrong with the end of a history, by what the outside knows: requests, answers and the vendors' books. */
export async function closingProblems({ app, vendors }: Stage): Promise<string[]> {
  const end = await takeSnapshot(app.dataSource);
  const messages = await app.takeMessages();
  const orders = [...end.orders.values()];
  return [
    ...orders
      .filter((order) => order.status === 'pending' && !order.needsAttention)
      .map((order) => `undecided: ${told(order)}`),
    ...orders.filter(({ hold }) => hold === 'acknowledged').map((order) => `never settled: ${told(order)}`),
    ...messages.map((message) => `still to be delivered: ${JSON.stringify(message)}`),
    ...PRODUCTS.flatMap((productId) => stockProblems(productId, end, vendors)),
  ];
}

/** The whole history added up one purchase after the other: what it was, less what others bought, less what we did. */
function stockProblems(productId: string, end: Snapshot, vendors: Stage['vendors']): string[] {
  const [vendorId, sku] = productId.split(':') as [VendorId, string];
  const { books } = vendors[vendorId];
  const bought = [...end.orders.values()]
    .filter((order) => order.productId === productId)
    .filter(({ status, orderId }) => status === 'completed' || books.entries.get(orderId)?.status === 'accepted')
    .reduce((sum, { quantity }) => sum + quantity, 0);
  const left = books.quantityAfter(sku, bought);
  const listed = books.isListed(sku);
  const vendorQuantity = listed ? left : 0;
  const reserved = openHoldsOf(productId, end);
  const expected = { listed, vendorQuantity, reserved, stock: Math.max(0, vendorQuantity - reserved) };
  const found = end.products.get(productId)!;
  const same = Object.entries(expected).every(([name, value]) => found[name as keyof typeof expected] === value);
  return same && books.quantityOf(sku) === left
    ? []
    : [
        `${productId}: ${JSON.stringify(found)}, the model has ${JSON.stringify(expected)}, the vendor ${books.quantityOf(sku)}`,
      ];
}

function told(order: StoredOrder): string {
  return JSON.stringify(order);
}
