import { Injectable } from '@nestjs/common';
import type { Vendor } from '../../vendor';
import {
  type Accepted,
  type CancelAnswer,
  type ListedRow,
  type LookUpAnswer,
  type Poll,
  type PollRequest,
  type Purchase,
  type PurchaseAnswer,
  type Refused,
  type RefusalReason,
  type Unknown,
  type VendorAdapter,
  VendorCallFailed,
} from '../../vendor-adapter';
import { NoAnswer, VendorHttp, type VendorResponse } from '../../vendor-http';

const ORDER_ANSWER_BYTES_MAX = 64 * 1024;
const LISTING_PAGE_ROWS = 1000;
const LISTING_PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Two million rows at the page size we ask for; a vendor that pages for ever is stopped here. */
const LISTING_PAGES_MAX = 20_000;
const VENDOR_ORDER_ID_LENGTH_MAX = 200;
const DETAIL_LENGTH_MAX = 300;
/** A vendor that asks for longer than this is asked again all the same. */
const RETRY_AFTER_MS_MAX = 3_600_000;
const KNOWN_REASONS: readonly string[] = ['OUT_OF_STOCK', 'UNKNOWN_SKU', 'CANCELLED'] satisfies RefusalReason[];

/** The reference dialect: JSON over HTTP, pages by cursor, orders decided at once. */
@Injectable()
export class RestAdapter implements VendorAdapter {
  readonly kind = 'rest';

  constructor(private readonly http: VendorHttp) {}

  async poll(vendor: Vendor, { signal }: PollRequest): Promise<Poll> {
    const first = await this.listingPage(vendor, null, signal);
    return {
      outcome: 'listing',
      kind: 'full',
      asOf: first.asOf,
      rowsExpected: null,
      pages: this.pagesFrom(vendor, first, signal),
      marks: () => ({ position: null, etag: null }),
    };
  }

  async purchase(vendor: Vendor, purchase: Purchase): Promise<PurchaseAnswer> {
    try {
      const response = await this.http.call(vendor, {
        method: 'POST',
        path: '/orders',
        headers: { 'idempotency-key': purchase.reference },
        body: JSON.stringify(purchase),
        answerBytesMax: ORDER_ANSWER_BYTES_MAX,
      });
      return purchaseAnswer(response);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return { outcome: error.notSent ? 'not_sent' : 'unknown', detail: error.message };
    }
  }

  async lookUp(vendor: Vendor, reference: string): Promise<LookUpAnswer> {
    try {
      const response = await this.http.call(vendor, {
        method: 'GET',
        path: `/orders/${encodeURIComponent(reference)}`,
        answerBytesMax: ORDER_ANSWER_BYTES_MAX,
      });
      return lookUpAnswer(response);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return { outcome: 'unknown', detail: error.message };
    }
  }

  async cancel(vendor: Vendor, reference: string): Promise<CancelAnswer> {
    try {
      const response = await this.http.call(vendor, {
        method: 'DELETE',
        path: `/orders/${encodeURIComponent(reference)}`,
        answerBytesMax: ORDER_ANSWER_BYTES_MAX,
      });
      return cancelAnswer(response);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return { outcome: 'unknown', detail: error.message };
    }
  }

  private async *pagesFrom(vendor: Vendor, first: RawListing, signal: AbortSignal): AsyncIterable<ListedRow[]> {
    let page = first;
    for (let pages = 1; pages <= LISTING_PAGES_MAX; pages++) {
      yield page.rows;
      const cursor = page.nextCursor;
      if (cursor === null) return;
      page = await this.listingPage(vendor, cursor, signal);
      if (page.asOf.getTime() !== first.asOf.getTime())
        throw new VendorCallFailed('stock: asOf changed between two pages');
      if (page.nextCursor === cursor) throw new VendorCallFailed('stock: nextCursor repeats itself');
    }
    throw new VendorCallFailed(`stock: more than ${LISTING_PAGES_MAX} pages`);
  }

  private async listingPage(vendor: Vendor, cursor: string | null, signal: AbortSignal): Promise<RawListing> {
    const query = new URLSearchParams({ limit: String(LISTING_PAGE_ROWS), ...(cursor !== null && { cursor }) });
    try {
      const response = await this.http.call(vendor, {
        method: 'GET',
        path: `/stock?${query.toString()}`,
        answerBytesMax: LISTING_PAGE_BYTES_MAX,
        signal,
      });
      if (response.status !== 200) throw new VendorCallFailed(`stock: answered ${response.status}`);
      return rawListing(response);
    } catch (error) {
      if (error instanceof NoAnswer) throw new VendorCallFailed(`stock: ${error.message}`, { cause: error });
      throw error;
    }
  }
}

interface RawListing {
  asOf: Date;
  rows: ListedRow[];
  nextCursor: string | null;
}

function rawListing(response: VendorResponse): RawListing {
  const body = objectIn(response);
  const asOf = timeOf(body?.asOf);
  if (!body || !asOf) throw new VendorCallFailed('stock: asOf is missing or not a time');
  if (!Array.isArray(body.items)) throw new VendorCallFailed('stock: items is not a list');
  const { nextCursor } = body;
  if (nextCursor !== null && (typeof nextCursor !== 'string' || nextCursor === '')) {
    throw new VendorCallFailed('stock: nextCursor is neither null nor a text');
  }
  return { asOf, nextCursor, rows: body.items.map((item) => rowIn(item)) };
}

function rowIn(item: unknown): ListedRow {
  const { sku, name, quantity, price } = (item ?? {}) as Partial<ListedRow>;
  return { sku, name, quantity, price };
}

function purchaseAnswer(response: VendorResponse): PurchaseAnswer {
  const body = objectIn(response);
  switch (response.status) {
    case 200:
    case 201:
      return acceptedIn(body) ?? unreadable(response);
    case 409:
    case 422:
      return refusedIn(body) ?? unreadable(response);
    default:
      return notKnown(response);
  }
}

function lookUpAnswer(response: VendorResponse): LookUpAnswer {
  if (response.status === 404) return { outcome: 'not_found' };
  if (response.status !== 200) return notKnown(response);
  const body = objectIn(response);
  switch (body?.status) {
    case undefined:
    case 'accepted':
      return acceptedIn(body) ?? unreadable(response);
    case 'pending':
      return { outcome: 'pending', detail: 'the vendor has it and has not decided' };
    case 'refused':
      return refusedIn({ code: 'REFUSED', ...body }) ?? unreadable(response);
    case 'cancelled':
      return { outcome: 'refused', reason: 'CANCELLED', detail: 'the vendor has cancelled it' };
    default:
      return unreadable(response);
  }
}

function cancelAnswer(response: VendorResponse): CancelAnswer {
  switch (response.status) {
    case 204:
      return { outcome: 'cancelled' };
    case 404:
      return { outcome: 'not_found' };
    case 409:
    // Whoever takes no cancellations at all is too late for each.
    case 405:
    case 501:
      return { outcome: 'too_late' };
    default:
      return notKnown(response);
  }
}

function acceptedIn(body: Record<string, unknown> | undefined): Accepted | undefined {
  const { vendorOrderId, acceptedAt } = body ?? {};
  const at = timeOf(acceptedAt);
  if (typeof vendorOrderId !== 'string' || vendorOrderId === '' || !at) return undefined;
  if (vendorOrderId.length > VENDOR_ORDER_ID_LENGTH_MAX || vendorOrderId.includes('\0')) return undefined;
  return { outcome: 'accepted', vendorOrderId, acceptedAt: at };
}

function refusedIn(body: Record<string, unknown> | undefined): Refused | undefined {
  const { code, message } = body ?? {};
  if (typeof code !== 'string' || code === '') return undefined;
  const reason = KNOWN_REASONS.includes(code) ? (code as RefusalReason) : 'REFUSED';
  return { outcome: 'refused', reason, detail: plain(typeof message === 'string' ? `${code}: ${message}` : code) };
}

function unreadable({ status, text }: VendorResponse): Unknown {
  return { outcome: 'unknown', detail: `answered ${status} with a body we cannot read: ${plain(text)}` };
}

function notKnown({ status, headers }: VendorResponse): Unknown {
  const seconds = Number(headers['retry-after']);
  const asked = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MS_MAX) : undefined;
  return {
    outcome: 'unknown',
    detail: `answered ${status}`,
    ...(asked !== undefined && { retryAfterMs: asked }),
    ...(status === 429 && { rateLimited: true }),
  };
}

function objectIn({ text }: VendorResponse): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Cut to milliseconds, as JavaScript does by itself. */
function timeOf(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT/.test(value)) return undefined;
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** What a vendor wrote, safe to store and to log. */
function plain(text: string): string {
  return text.slice(0, DETAIL_LENGTH_MAX).replace(/[\u0000-\u001f\u007f]+/g, ' ');
}
