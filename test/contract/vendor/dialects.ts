import { FeedAdapter } from '../../../src/vendors/adapters/feed/feed-adapter';
import { RestAdapter } from '../../../src/vendors/adapters/rest/rest-adapter';
import { WholesaleAdapter } from '../../../src/vendors/adapters/wholesale/wholesale-adapter';
import type { VendorAdapter } from '../../../src/vendors/vendor-adapter';
import type { VendorHttp } from '../../../src/vendors/vendor-http';
import type { Answer, Asked } from './scripted-server';

/** Three products, as the suite expects them whatever the dialect calls their parts. */
export const PRODUCTS = [
  { sku: 'A-1', name: 'Article 1', quantity: 5, price: '19.99' },
  { sku: 'Ü 100%/½', name: 'Article 2', quantity: 0, price: '0.05' },
  { sku: 'A-3', name: 'Article 3', quantity: 2_000_000, price: '1234567.80' },
];
export type Product = (typeof PRODUCTS)[number];
type Body = Record<string, unknown>;

/** How one dialect says the things that all of them can say. */
export interface Dialect {
  kind: string;
  adapter(http: VendorHttp): VendorAdapter;
  credentialHeader: [name: string, value: (token: string) => string];
  purchase: { path: string; body: Body };
  orderPath(reference: string): string;
  /** Bodies of answers about the order `order-1`. */
  accepted: Body;
  repeated: Answer;
  refusals: Record<'OUT_OF_STOCK' | 'UNKNOWN_SKU' | 'CANCELLED' | 'REFUSED', Answer>;
  withoutCode: Body;
  codeMember: 'code' | 'error' | 'reason';
  notFound: Exclude<Answer, string> & { status: number };
  lookUps: { accepted: Body; refused: Body; cancelled: Body; nonsense: Body };
  /** Serves a whole listing, in the pages that are asked for. */
  lists(products: Product[], asOf: string | undefined, headers?: Record<string, string>): (asked: Asked) => Answer;
  /** How many calls a listing of three products takes with the pages of `lists`. */
  listingCalls: number;
}

const ACCEPTED_AT = '2026-01-01T00:00:00.123Z';
/** `lists` gives two products a page, whatever is asked for: a vendor may give fewer. */
const PAGE = 2;

export const rest: Dialect = {
  kind: 'rest',
  adapter: (http) => new RestAdapter(http),
  credentialHeader: ['authorization', (token) => `Bearer ${token}`],
  purchase: { path: '/orders', body: { reference: 'order-1', sku: 'A-1', quantity: 2 } },
  orderPath: (reference) => `/orders/${encodeURIComponent(reference)}`,
  accepted: { vendorOrderId: 'V-1', acceptedAt: ACCEPTED_AT },
  repeated: { status: 200, body: { vendorOrderId: 'V-1', acceptedAt: ACCEPTED_AT } },
  refusals: {
    OUT_OF_STOCK: { status: 409, body: { code: 'OUT_OF_STOCK', message: 'no more' } },
    UNKNOWN_SKU: { status: 422, body: { code: 'UNKNOWN_SKU' } },
    CANCELLED: { status: 409, body: { code: 'CANCELLED' } },
    REFUSED: { status: 422, body: { code: 'NOT_TO_YOU' } },
  },
  withoutCode: { message: 'no' },
  codeMember: 'code',
  notFound: { status: 404, body: { code: 'UNKNOWN_REFERENCE' } },
  lookUps: {
    accepted: { vendorOrderId: 'V-1', acceptedAt: ACCEPTED_AT, status: 'accepted' },
    refused: { status: 'refused', code: 'OUT_OF_STOCK' },
    cancelled: { status: 'cancelled' },
    nonsense: { status: 'perhaps' },
  },
  lists:
    (products, asOf, headers = {}) =>
    ({ query }) => {
      const from = Number(query.get('cursor') ?? 0);
      const nextCursor = from + PAGE < products.length ? String(from + PAGE) : null;
      return { status: 200, headers, body: { asOf, items: products.slice(from, from + PAGE), nextCursor } };
    },
  listingCalls: 2,
};

export const wholesale: Dialect = {
  kind: 'wholesale',
  adapter: (http) => new WholesaleAdapter(http),
  credentialHeader: ['x-api-key', (token) => token],
  purchase: { path: '/purchase_orders', body: { po_number: 'order-1', item_number: 'A-1', quantity: 2 } },
  orderPath: (reference) => `/purchase_orders/${encodeURIComponent(reference)}`,
  accepted: { po_number: 'order-1', confirmation_number: 'V-1', confirmed_at: ACCEPTED_AT },
  repeated: { status: 200, body: { po_number: 'order-1', confirmation_number: 'V-1', confirmed_at: ACCEPTED_AT } },
  refusals: {
    OUT_OF_STOCK: { status: 409, body: { error: 'insufficient_stock', message: 'no more' } },
    UNKNOWN_SKU: { status: 422, body: { error: 'unknown_item' } },
    CANCELLED: { status: 409, body: { error: 'cancelled' } },
    REFUSED: { status: 422, body: { error: 'not_to_you' } },
  },
  withoutCode: { message: 'no' },
  codeMember: 'error',
  notFound: { status: 404, body: { error: 'unknown_purchase_order' } },
  lookUps: {
    accepted: { po_number: 'order-1', state: 'confirmed', confirmation_number: 'V-1', confirmed_at: ACCEPTED_AT },
    refused: { po_number: 'order-1', state: 'rejected', error: 'insufficient_stock' },
    cancelled: { po_number: 'order-1', state: 'cancelled' },
    nonsense: { po_number: 'order-1', state: 'perhaps' },
  },
  lists:
    (products, asOf, headers = {}) =>
    ({ query }) => {
      const page = Number(query.get('page'));
      const items = products.slice((page - 1) * PAGE, page * PAGE).map(inventoryRow);
      const total_pages = Math.ceil(products.length / PAGE);
      const body = { as_of: asOf, sequence: 40 + page, page, total_pages, total_items: products.length, items };
      return { status: 200, headers, body };
    },
  listingCalls: 2,
};

export const feed: Dialect = {
  kind: 'feed',
  adapter: (http) => new FeedAdapter(http),
  credentialHeader: ['authorization', (token) => `Bearer ${token}`],
  purchase: { path: '/orders', body: { orderRef: 'order-1', id: 'A-1', count: 2 } },
  orderPath: (reference) => `/orders/${encodeURIComponent(reference)}`,
  accepted: { orderRef: 'order-1', state: 'accepted', orderNumber: 'V-1', acceptedAt: ACCEPTED_AT },
  repeated: {
    status: 202,
    body: { orderRef: 'order-1', state: 'accepted', orderNumber: 'V-1', acceptedAt: ACCEPTED_AT },
  },
  refusals: {
    OUT_OF_STOCK: { status: 409, body: { state: 'rejected', reason: 'OUT_OF_STOCK', message: 'no more' } },
    UNKNOWN_SKU: { status: 422, body: { state: 'rejected', reason: 'UNKNOWN_SKU' } },
    CANCELLED: { status: 409, body: { state: 'rejected', reason: 'CANCELLED' } },
    REFUSED: { status: 422, body: { state: 'rejected', reason: 'NOT_TO_YOU' } },
  },
  withoutCode: { state: 'rejected' },
  codeMember: 'reason',
  notFound: { status: 404, body: { reason: 'UNKNOWN_ORDER' } },
  lookUps: {
    accepted: { orderRef: 'order-1', state: 'accepted', orderNumber: 'V-1', acceptedAt: ACCEPTED_AT },
    refused: { orderRef: 'order-1', state: 'rejected', reason: 'OUT_OF_STOCK' },
    cancelled: { orderRef: 'order-1', state: 'cancelled' },
    nonsense: { orderRef: 'order-1', state: 'perhaps' },
  },
  lists:
    (products, asOf, headers = {}) =>
    () => ({ status: 200, headers, body: catalogueFile([{ asOf }, ...products.map(feedRow), endOf(products.length)]) }),
  listingCalls: 1,
};

export function inventoryRow({ sku, name, quantity, price }: Product): Body {
  return { item_number: sku, description: name, on_hand: quantity, price_cents: Number(price.replace('.', '')) };
}

export function feedRow({ sku, name, quantity, price }: Product): Body {
  return { id: sku, title: name, available: quantity, price };
}

export function endOf(count: number): Body {
  return { end: true, count };
}

export function catalogueFile(lines: Body[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}
