/** The `feed` dialect: one file of the whole catalogue; orders are taken in at once and decided later. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isReference } from '../catalogue';
import type { ChangedOrder, LookUp } from '../shop';
import { matches } from './etag';
import { type Answer, ASKS_FOR_BEARER, bearerToken, exchange, type Manners, type OpenVendor } from './exchange';
import { FeedFiles } from './feed-file';
import { feedOrders } from './feed-orders';
import { readOrder } from './order-form';
import { OrderQueue } from './order-queue';
import { unknownParameter } from './query';

const ORDER_FIELDS = { reference: 'orderRef', sku: 'id', quantity: 'count' } as const;
const REFUSALS = {
  OUT_OF_STOCK: { status: 409, message: 'There is not that much of it.' },
  CANCELLED: { status: 409, message: 'This order was cancelled and is closed; nothing was bought.' },
  UNKNOWN_SKU: { status: 422, message: 'There is no such product.' },
} as const;

export const feedManners: Manners = { tokenIn: bearerToken, asksForToken: ASKS_FOR_BEARER, error };

type OrderRequest = FastifyRequest<{ Params: { orderRef: string } }>;

export function feedDialect(app: FastifyInstance, vendor: OpenVendor): void {
  const { shop } = vendor;
  const files = new FeedFiles(vendor.stockroom, vendor.settings);
  const queue = new OrderQueue(vendor);
  queue.resume();
  app.get(
    '/catalogue.ndjson',
    exchange(vendor, feedManners, 'stock', async (request: FastifyRequest, strikes) => {
      const unknown = unknownParameter(request.query as Record<string, string>, []);
      if (unknown !== undefined) return error(400, 'UNSUPPORTED_PARAMETER', unknown);
      const { text, etag } = await files.serve(strikes);
      const headers = { ...(etag !== undefined && { etag }) };
      if (etag !== undefined && matches(request.headers['if-none-match'], etag)) return { status: 304, headers };
      return { status: 200, text, headers: { ...headers, 'content-type': 'application/x-ndjson' } };
    }),
  );
  app.post(
    '/orders',
    exchange(vendor, feedManners, 'order', (request) => answerOrder(vendor, queue, request)),
  );
  const rowShown = (order: ChangedOrder) => ({
    ...orderShown(order.reference, order),
    ...(order.quantity !== undefined && { count: order.quantity }),
  });
  app.get('/orders.ndjson', exchange(vendor, feedManners, 'list', feedOrders(vendor, error, rowShown)));
  app.get(
    '/orders/:orderRef',
    exchange(vendor, feedManners, 'lookup', async ({ params: { orderRef } }: OrderRequest) => {
      const found = await shop.lookUp(orderRef);
      if (!found) return error(404, 'UNKNOWN_ORDER', 'It is not in the books.');
      return { status: 200, body: orderShown(orderRef, found) };
    }),
  );
  app.delete(
    '/orders/:orderRef',
    exchange(vendor, feedManners, 'cancel', async ({ params: { orderRef } }: OrderRequest) => {
      if (!isReference(orderRef)) return error(400, 'BAD_REQUEST', 'orderRef must be 1 to 128 printable characters.');
      const cancellation = await shop.cancel(orderRef, 'close');
      return cancellation === 'cancelled' ? { status: 204 } : error(409, 'TOO_LATE', 'It has been shipped.');
    }),
  );
}

async function answerOrder({ shop }: OpenVendor, queue: OrderQueue, request: FastifyRequest): Promise<Answer> {
  const order = readOrder(request.body, ORDER_FIELDS);
  if (typeof order === 'string') return error(400, 'BAD_REQUEST', order);
  const { stands, isNew } = await shop.enqueue(order);
  if (isNew && stands.code) return rejected(stands.code);
  if (stands.status === 'cancelled') return rejected('CANCELLED');
  if (isNew) queue.decideLater(order.reference);
  return { status: 202, body: orderShown(order.reference, stands), accepted: true };
}

function orderShown(orderRef: string, { status, vendorOrderId, acceptedAt, code }: LookUp): object {
  return {
    orderRef,
    state: { accepted: 'accepted', refused: 'rejected', cancelled: 'cancelled', pending: 'queued' }[status],
    ...(vendorOrderId !== null && { orderNumber: vendorOrderId }),
    ...(acceptedAt !== null && { acceptedAt }),
    ...(code && { reason: code }),
  };
}

function rejected(reason: keyof typeof REFUSALS): Answer {
  const { status, message } = REFUSALS[reason];
  return { status, body: { state: 'rejected', reason, message } };
}

function error(status: number, code: string, message: string): Answer {
  return { status, body: { reason: code, message } };
}
