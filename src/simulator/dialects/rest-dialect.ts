/** The `rest` dialect, the reference: listing by cursor, orders by reference. It says what the shop decides. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isReference } from '../catalogue';
import type { Strikes } from '../faults';
import { type Answer, ASKS_FOR_BEARER, bearerToken, exchange, type Manners, type OpenVendor } from './exchange';
import { readOrder } from './order-form';
import { restOrders } from './rest-orders';
import { restStock } from './rest-stock';

const ORDER_FIELDS = { reference: 'reference', sku: 'sku', quantity: 'quantity' } as const;
const REFUSAL_STATUS = { OUT_OF_STOCK: 409, CANCELLED: 409, UNKNOWN_SKU: 422 } as const;
const REFUSAL_MESSAGE = {
  OUT_OF_STOCK: 'There is not that much of it.',
  CANCELLED: 'This reference was cancelled and is closed; nothing was bought.',
  UNKNOWN_SKU: 'There is no such product.',
} as const;

export const restManners: Manners = { tokenIn: bearerToken, asksForToken: ASKS_FOR_BEARER, error };

type ReferenceRequest = FastifyRequest<{ Params: { reference: string } }>;

export function restDialect(app: FastifyInstance, vendor: OpenVendor): void {
  const { shop } = vendor;
  app.get('/stock', exchange(vendor, restManners, 'stock', restStock(vendor, error)));
  app.post(
    '/orders',
    exchange(vendor, restManners, 'order', (request, strikes) => answerOrder(vendor, request, strikes)),
  );
  app.get('/orders', exchange(vendor, restManners, 'list', restOrders(vendor, error)));
  app.get(
    '/orders/:reference',
    exchange(vendor, restManners, 'lookup', async (request: ReferenceRequest) => {
      const found = await shop.lookUp(request.params.reference);
      return found ? { status: 200, body: found } : error(404, 'UNKNOWN_REFERENCE', 'It is not in the books.');
    }),
  );
  app.delete(
    '/orders/:reference',
    exchange(vendor, restManners, 'cancel', async (request: ReferenceRequest) => {
      const { reference } = request.params;
      if (!isReference(reference))
        return error(400, 'BAD_REQUEST', 'The reference is not 1 to 128 printable characters.');
      const cancellation = await shop.cancel(reference, 'close');
      return cancellation === 'cancelled' ? { status: 204 } : error(409, 'TOO_LATE', 'It has been shipped.');
    }),
  );
}

async function answerOrder(vendor: OpenVendor, request: FastifyRequest, strikes: Strikes): Promise<Answer> {
  const order = readOrder(request.body, ORDER_FIELDS);
  if (typeof order === 'string') return error(400, 'BAD_REQUEST', order);
  const key = request.headers['idempotency-key'];
  if (key !== order.reference) {
    return error(400, 'BAD_REQUEST', 'The header Idempotency-Key must be there and be the reference of the order.');
  }
  const placement = await vendor.shop.place(order, () => (strikes('outOfStock') ? 'OUT_OF_STOCK' : undefined));
  if (placement.kind === 'refused') {
    return error(REFUSAL_STATUS[placement.code], placement.code, REFUSAL_MESSAGE[placement.code]);
  }
  const { vendorOrderId, acceptedAt, repeated } = placement;
  return { status: repeated ? 200 : 201, body: { vendorOrderId, acceptedAt }, accepted: true };
}

function error(status: number, code: string, message: string): Answer {
  return { status, body: { code, message } };
}
