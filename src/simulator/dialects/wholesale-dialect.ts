/** The `wholesale` dialect: snake_case, cents, `X-Api-Key`; it cannot close an order number it has never seen. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isReference } from '../catalogue';
import type { Strikes } from '../faults';
import type { ChangedOrder, LookUp } from '../shop';
import { type Answer, exchange, type Manners, type OpenVendor } from './exchange';
import { readOrder } from './order-form';
import { wholesaleChanges, WholesaleInventory } from './wholesale-inventory';
import { wholesaleOrders } from './wholesale-orders';

const ORDER_FIELDS = { reference: 'po_number', sku: 'item_number', quantity: 'quantity' } as const;
const REFUSALS = {
  OUT_OF_STOCK: { status: 409, code: 'insufficient_stock', message: 'There is not that much of it.' },
  CANCELLED: { status: 409, code: 'cancelled', message: 'This purchase order was cancelled; nothing was bought.' },
  UNKNOWN_SKU: { status: 422, code: 'unknown_item', message: 'There is no such item.' },
} as const;

export const wholesaleManners: Manners = {
  tokenIn: ({ headers }) => {
    const key = headers['x-api-key'];
    return typeof key === 'string' ? key : undefined;
  },
  asksForToken: { message: 'This vendor asks for its key in X-Api-Key.', headers: {} },
  error,
};

type OrderRequest = FastifyRequest<{ Params: { number: string } }>;

export function wholesaleDialect(app: FastifyInstance, vendor: OpenVendor): void {
  const { shop } = vendor;
  const inventory = new WholesaleInventory(vendor.stockroom, error);
  app.get(
    '/inventory',
    exchange(vendor, wholesaleManners, 'stock', (request: FastifyRequest, strikes) =>
      inventory.page(request.query, strikes),
    ),
  );
  app.get('/inventory/changes', exchange(vendor, wholesaleManners, 'stock', wholesaleChanges(vendor, error)));
  app.post(
    '/purchase_orders',
    exchange(vendor, wholesaleManners, 'order', (request, strikes) => answerOrder(vendor, request, strikes)),
  );
  const rowShown = (order: ChangedOrder) => ({
    ...orderShown(order.reference, order),
    ...(order.quantity !== undefined && { quantity: order.quantity }),
  });
  app.get('/purchase_orders', exchange(vendor, wholesaleManners, 'list', wholesaleOrders(vendor, error, rowShown)));
  app.get(
    '/purchase_orders/:number',
    exchange(vendor, wholesaleManners, 'lookup', async ({ params: { number } }: OrderRequest) => {
      const found = await shop.lookUp(number);
      return found ? { status: 200, body: orderShown(number, found) } : notInTheBooks();
    }),
  );
  app.delete(
    '/purchase_orders/:number',
    exchange(vendor, wholesaleManners, 'cancel', async ({ params: { number } }: OrderRequest) => {
      if (!isReference(number)) return error(400, 'BAD_REQUEST', 'po_number must be 1 to 128 printable characters.');
      const cancellation = await shop.cancel(number, 'leave');
      if (cancellation === 'unknown') return notInTheBooks();
      return cancellation === 'cancelled' ? { status: 204 } : error(409, 'TOO_LATE', 'It has been shipped.');
    }),
  );
}

async function answerOrder(vendor: OpenVendor, request: FastifyRequest, strikes: Strikes): Promise<Answer> {
  const order = readOrder(request.body, ORDER_FIELDS);
  if (typeof order === 'string') return error(400, 'BAD_REQUEST', order);
  const placement = await vendor.shop.place(order, () => (strikes('outOfStock') ? 'OUT_OF_STOCK' : undefined));
  if (placement.kind === 'refused') {
    const { status, code, message } = REFUSALS[placement.code];
    return error(status, code, message);
  }
  const { vendorOrderId, acceptedAt, repeated } = placement;
  const body = { po_number: order.reference, confirmation_number: vendorOrderId, confirmed_at: acceptedAt };
  return { status: repeated ? 200 : 201, body, accepted: true };
}

function orderShown(number: string, { status, vendorOrderId, acceptedAt, code }: LookUp): object {
  // This dialect decides at once: pending is only what a ledger holds that was written in another.
  const state = { accepted: 'confirmed', refused: 'rejected', cancelled: 'cancelled', pending: 'pending' }[status];
  return {
    po_number: number,
    state,
    confirmation_number: vendorOrderId,
    confirmed_at: acceptedAt,
    ...(code && { error: REFUSALS[code].code }),
  };
}

function notInTheBooks(): Answer {
  return error(404, 'UNKNOWN_PURCHASE_ORDER', 'It is not in the books.');
}

/** The codes that all dialects share are shouted elsewhere; here they are spoken. */
function error(status: number, code: string, message: string): Answer {
  return { status, body: { error: code.toLowerCase(), message } };
}
