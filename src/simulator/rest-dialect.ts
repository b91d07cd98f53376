/** The `rest` dialect, the reference: listing by cursor, orders by reference. It says what the shop decides. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isReference, isSku, isWholeNumber, ORDER_QUANTITY_MAX } from './catalogue';
import { type Answer, error, exchange, type OpenVendor } from './exchange';
import type { Strikes } from './faults';
import { iso, type Listing } from './shop';

const LIMIT_DEFAULT = 500;
const LIMIT_MAX = 1_000;
/** A cursor is some 100 bytes around a SKU of at most 128 characters. */
const CURSOR_CHARACTERS_MAX = 2_000;

const REFUSAL_STATUS = { OUT_OF_STOCK: 409, CANCELLED: 409, UNKNOWN_SKU: 422 } as const;
const REFUSAL_MESSAGE = {
  OUT_OF_STOCK: 'There is not that much of it.',
  CANCELLED: 'This reference was cancelled and is closed; nothing was bought.',
  UNKNOWN_SKU: 'There is no such product.',
} as const;

/** What a cursor carries, so that every page of a listing belongs to the same one, whatever is switched meanwhile. */
interface Place {
  readonly listing: Listing;
  readonly after: string | null;
  /** How many more rows there are to be; null: all there are. */
  readonly rowsLeft: number | null;
}

type StockRequest = FastifyRequest<{ Querystring: Record<string, string | string[]> }>;
type ReferenceRequest = FastifyRequest<{ Params: { reference: string } }>;

export function restDialect(app: FastifyInstance, vendor: OpenVendor): void {
  const { shop } = vendor;
  app.get(
    '/stock',
    exchange(vendor, 'stock', (request: StockRequest, strikes) => answerStock(vendor, request, strikes)),
  );
  app.post(
    '/orders',
    exchange(vendor, 'order', (request, strikes) => answerOrder(vendor, request, strikes)),
  );
  app.get(
    '/orders/:reference',
    exchange(vendor, 'lookup', async (request: ReferenceRequest) => {
      const found = await shop.lookUp(request.params.reference);
      return found ? { status: 200, body: found } : error(404, 'UNKNOWN_REFERENCE', 'It is not in the books.');
    }),
  );
  app.delete(
    '/orders/:reference',
    exchange(vendor, 'cancel', async (request: ReferenceRequest) => {
      const { reference } = request.params;
      if (!isReference(reference))
        return error(400, 'BAD_REQUEST', 'The reference is not 1 to 128 printable characters.');
      return (await shop.cancel(reference)) ? { status: 204 } : error(409, 'TOO_LATE', 'It has been shipped.');
    }),
  );
}

async function answerStock(vendor: OpenVendor, request: StockRequest, strikes: Strikes): Promise<Answer> {
  const query = readStockQuery(request.query);
  if ('complaint' in query) return error(400, query.code, query.complaint);
  // A fault strikes a listing as a whole, on its first page; the cursor carries it on.
  if (query.place) return pageFrom(vendor, query.place, query.limit);
  if (strikes('emptySnapshot')) return pageFrom(vendor, await beginPlace(vendor, strikes, 0), query.limit);
  const truncated = strikes('truncatedSnapshot');
  const rowsLeft = truncated ? Math.floor(vendor.shop.listedItems * truncated.keepShare) : null;
  const place = await beginPlace(vendor, strikes, rowsLeft);
  const etag = etagOf(vendor, place, query.limit);
  if (etag && matches(request.headers['if-none-match'], etag)) return { status: 304, headers: { etag } };
  return { ...(await pageFrom(vendor, place, query.limit)), headers: etag ? { etag } : {} };
}

async function beginPlace(vendor: OpenVendor, strikes: Strikes, rowsLeft: number | null): Promise<Place> {
  const source = strikes('staleSnapshot') ? 'start' : 'now';
  const order = strikes('reorderedSnapshot') ? 'descending' : 'ascending';
  return { listing: await vendor.shop.beginListing(source, order), after: null, rowsLeft };
}

async function pageFrom(vendor: OpenVendor, place: Place, limit: number): Promise<Answer> {
  const { listing, after, rowsLeft } = place;
  const rowsMax = Math.min(limit, rowsLeft ?? limit);
  // One more than is shown tells whether there is a next page.
  const found = await vendor.shop.page(listing, after, rowsMax + 1);
  const items = found.slice(0, rowsMax);
  const left = rowsLeft === null ? null : rowsLeft - items.length;
  const isLast = found.length <= rowsMax || left === 0;
  const nextCursor = isLast ? null : writeCursor({ listing, after: items.at(-1)?.sku ?? null, rowsLeft: left });
  return { status: 200, body: { asOf: iso(listing.asOfMs), items, nextCursor } };
}

async function answerOrder(vendor: OpenVendor, request: FastifyRequest, strikes: Strikes): Promise<Answer> {
  const order = readOrder(request.body);
  if (typeof order === 'string') return error(400, 'BAD_REQUEST', order);
  const key = request.headers['idempotency-key'];
  if (key !== order.reference) {
    return error(400, 'BAD_REQUEST', 'The header Idempotency-Key must be there and be the reference of the order.');
  }
  const placement = await vendor.shop.place(order.reference, order.sku, order.quantity, () =>
    strikes('outOfStock') ? 'OUT_OF_STOCK' : undefined,
  );
  if (placement.kind === 'refused') {
    return error(REFUSAL_STATUS[placement.code], placement.code, REFUSAL_MESSAGE[placement.code]);
  }
  const { vendorOrderId, acceptedAt, repeated } = placement;
  return { status: repeated ? 200 : 201, body: { vendorOrderId, acceptedAt }, accepted: true };
}

function readOrder(body: unknown): { reference: string; sku: string; quantity: number } | string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return 'The body must be an object with reference, sku and quantity.';
  }
  const { reference, sku, quantity, ...others } = body as Record<string, unknown>;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) return `There is no field ${JSON.stringify(unknown)}; there are reference, sku, quantity.`;
  if (!isReference(reference)) return 'reference must be 1 to 128 printable characters.';
  if (!isSku(sku)) return 'sku must be 1 to 128 printable characters.';
  if (!isWholeNumber(quantity, 1, ORDER_QUANTITY_MAX)) {
    return `quantity must be a whole number from 1 to ${ORDER_QUANTITY_MAX}.`;
  }
  return { reference, sku, quantity };
}

type StockQuery = { limit: number; place: Place | undefined } | { code: string; complaint: string };

function readStockQuery(query: StockRequest['query']): StockQuery {
  const { limit = String(LIMIT_DEFAULT), cursor, ...others } = query;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    // Ignoring it would be worse: a complete listing in answer to updatedSince looks like a delta.
    const complaint = `This vendor knows no parameter ${JSON.stringify(unknown)}; it knows limit and cursor.`;
    return { code: 'UNSUPPORTED_PARAMETER', complaint };
  }
  if (typeof limit !== 'string' || !/^\d{1,4}$/.test(limit) || !isWholeNumber(Number(limit), 1, LIMIT_MAX)) {
    return { code: 'BAD_REQUEST', complaint: `limit must be a whole number from 1 to ${LIMIT_MAX}.` };
  }
  if (cursor === undefined) return { limit: Number(limit), place: undefined };
  const place = typeof cursor === 'string' ? readCursor(cursor) : undefined;
  if (!place) return { code: 'INVALID_CURSOR', complaint: 'The cursor is none this vendor handed out.' };
  return { limit: Number(limit), place };
}

function writeCursor({ listing, after, rowsLeft }: Place): string {
  const { asOfMs, source, order } = listing;
  return Buffer.from(JSON.stringify([asOfMs, source, order, after, rowsLeft])).toString('base64url');
}

function readCursor(cursor: string): Place | undefined {
  if (cursor.length > CURSOR_CHARACTERS_MAX) return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts.length !== 5) return undefined;
  const [asOfMs, source, order, after, rowsLeft] = parts as unknown[];
  if (!isWholeNumber(asOfMs, 0, 8.64e15) || !isSku(after)) return undefined;
  if (source !== 'now' && source !== 'start') return undefined;
  if (order !== 'ascending' && order !== 'descending') return undefined;
  if (rowsLeft !== null && !isWholeNumber(rowsLeft, 0, Number.MAX_SAFE_INTEGER)) return undefined;
  return { listing: { asOfMs, source, order }, after, rowsLeft };
}

/** Weak, because the body also carries `asOf`. A listing that a fault has touched gets none. */
function etagOf(vendor: OpenVendor, { listing, rowsLeft }: Place, limit: number): string | undefined {
  if (listing.source !== 'now' || listing.order !== 'ascending' || rowsLeft !== null) return undefined;
  const mark = vendor.shop.unchangedMark(listing.asOfMs);
  return mark && `W/"${mark}-${limit}"`;
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const weak = (tag: string) => tag.trim().replace(/^W\//, '');
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => weak(tag) === weak(etag));
}
