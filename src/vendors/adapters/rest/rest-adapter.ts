import { Injectable } from '@nestjs/common';
import { PollPatience } from '../../poll-patience';
import { readAhead } from '../../read-ahead';
import type { Vendor } from '../../vendor';
import { CHANGED_ORDERS_BYTES_MAX, changedOrder, changedOrdersAnswer, changedOrdersPage } from '../../changed-orders';
import {
  type CancelAnswer,
  type ChangedOrder,
  type ChangedOrdersAnswer,
  type ChangedOrdersRequest,
  type ChangedOrderStatus,
  type Listing,
  type ListedRow,
  type ListingKind,
  type LookUpAnswer,
  type Poll,
  type PollRequest,
  type Purchase,
  type PurchaseAnswer,
  type RefusalReason,
  type VendorAdapter,
  VendorCallFailed,
} from '../../vendor-adapter';
import {
  acceptedAs,
  cancelAnswer,
  etagOf,
  type Fields,
  fieldsIn,
  itemsIn,
  notFound,
  notKnown,
  ORDER_ANSWER_BYTES_MAX,
  orderAnswer,
  pollRefused,
  purchaseAnswer,
  refusedFor,
  timeOf,
  unreadable,
} from '../../vendor-answer';
import { VendorHttp, type VendorResponse } from '../../vendor-http';

/** Some 100 KB: parsed in a few milliseconds, and written to the database by one statement. */
const PAGE_ROWS = 1000;
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Two million rows at the page size we ask for, ten times that in small pages; who pages for ever is stopped here. */
const PAGES_MAX = 20_000;
const ROWS_MAX = PAGES_MAX * PAGE_ROWS;
/** How a vendor says that it has no deltas, or none that reaches so far back. */
const NO_DELTA = [400, 410, 422, 501];
/** Where an error says what it is; without it, the words may be somebody else's. */
const CODE = 'code';
const REASONS: ReadonlyMap<string, RefusalReason> = new Map([
  ['OUT_OF_STOCK', 'OUT_OF_STOCK'],
  ['UNKNOWN_SKU', 'UNKNOWN_SKU'],
  ['CANCELLED', 'CANCELLED'],
]);

/** The reference dialect: JSON over HTTP, pages by cursor, deltas by time, orders decided at once. */
@Injectable()
export class RestAdapter implements VendorAdapter {
  readonly kind = 'rest';

  constructor(private readonly http: VendorHttp) {}

  async poll(vendor: Vendor, { kind, marks, signal }: PollRequest): Promise<Poll> {
    const calls = new StockCalls(this.http, vendor, signal);
    if (kind === 'delta' && marks.position !== null) {
      const updatedSince = since(marks.position, vendor.clockMarginMs);
      const response = await calls.get({ updatedSince });
      if (!NO_DELTA.includes(response.status)) {
        const first = pageIn(response);
        // What a delta has changed is no longer the listing that the validator stands for.
        return listingFrom(calls, 'delta', first, (rows) => (rows === 0 ? marks.etag : null), { updatedSince });
      }
    }
    const asked = kind === 'full' && marks.etag !== null;
    const response = await calls.get({}, asked ? { 'if-none-match': marks.etag! } : {});
    if (response.status === 304 && asked) return { outcome: 'unchanged' };
    return listingFrom(calls, 'full', pageIn(response), () => etagOf(response), {});
  }

  purchase(vendor: Vendor, purchase: Purchase): Promise<PurchaseAnswer> {
    const call = this.http.call(vendor, {
      method: 'POST',
      path: '/orders',
      headers: { 'idempotency-key': purchase.reference },
      body: JSON.stringify(purchase),
      answerBytesMax: ORDER_ANSWER_BYTES_MAX,
    });
    return purchaseAnswer(call, purchased);
  }

  lookUp(vendor: Vendor, reference: string): Promise<LookUpAnswer> {
    return orderAnswer(this.callOrder('GET', vendor, reference), lookedUp);
  }

  cancel(vendor: Vendor, reference: string): Promise<CancelAnswer> {
    return orderAnswer(this.callOrder('DELETE', vendor, reference), (response) => cancelAnswer(response, CODE));
  }

  changedOrders(vendor: Vendor, { since, limit, place }: ChangedOrdersRequest): Promise<ChangedOrdersAnswer> {
    const query = new URLSearchParams({ changedSince: since.toISOString(), limit: String(limit) });
    if (place !== null) query.set('cursor', place);
    const path = `/orders?${query.toString()}`;
    const call = this.http.call(vendor, { method: 'GET', path, answerBytesMax: CHANGED_ORDERS_BYTES_MAX });
    return changedOrdersAnswer(call, CODE, ({ text }) => {
      const body = fieldsIn(text);
      return changedOrdersPage(body?.asOf, body?.items, body?.nextCursor, changedIn);
    });
  }

  private callOrder(method: 'GET' | 'DELETE', vendor: Vendor, reference: string): Promise<VendorResponse> {
    const path = `/orders/${encodeURIComponent(reference)}`;
    return this.http.call(vendor, { method, path, answerBytesMax: ORDER_ANSWER_BYTES_MAX });
  }
}

/** The calls of one poll. */
class StockCalls {
  private readonly patience: PollPatience;

  constructor(
    private readonly http: VendorHttp,
    private readonly vendor: Vendor,
    private readonly signal: AbortSignal,
  ) {
    this.patience = new PollPatience(signal);
  }

  get(query: Record<string, string>, headers: Record<string, string> = {}): Promise<VendorResponse> {
    const path = `/stock?${new URLSearchParams({ limit: String(PAGE_ROWS), ...query }).toString()}`;
    const { signal } = this;
    return this.patience.ask(() =>
      this.http.call(this.vendor, { method: 'GET', path, headers, answerBytesMax: PAGE_BYTES_MAX, signal }),
    );
  }
}

interface Page {
  asOf: Date;
  rows: ListedRow[];
  nextCursor: string | null;
}

function listingFrom(
  calls: StockCalls,
  kind: ListingKind,
  first: Page,
  etagAfter: (rows: number) => string | null,
  query: Record<string, string>,
): Listing {
  let rows = 0;
  async function* pages(): AsyncIterable<ListedRow[]> {
    for await (const page of readAhead(pagesAfter(calls, first, query))) {
      rows += page.length;
      yield page;
    }
  }
  return {
    outcome: 'listing',
    kind,
    asOf: first.asOf,
    rowsExpected: null,
    pages: pages(),
    marks: () => ({ position: first.asOf.toISOString(), etag: etagAfter(rows) }),
  };
}

/** Where the vendor's clocks disagree, a change may be dated before a listing that does not contain it. */
function since(position: string, clockMarginMs: number): string {
  return new Date(Date.parse(position) - clockMarginMs).toISOString();
}

async function* pagesAfter(calls: StockCalls, first: Page, query: Record<string, string>): AsyncIterable<ListedRow[]> {
  let page = first;
  let rows = 0;
  for (let pages = 1; pages <= PAGES_MAX; pages++) {
    rows += page.rows.length;
    if (rows > ROWS_MAX) throw new VendorCallFailed(`stock: more than ${ROWS_MAX} items`);
    yield page.rows;
    const cursor = page.nextCursor;
    if (cursor === null) return;
    page = pageIn(await calls.get({ ...query, cursor }));
    if (page.asOf.getTime() !== first.asOf.getTime())
      throw new VendorCallFailed('stock: asOf changed between two pages');
    if (page.nextCursor === cursor) throw new VendorCallFailed('stock: nextCursor repeats itself');
  }
  throw new VendorCallFailed(`stock: more than ${PAGES_MAX} pages`);
}

function pageIn(response: VendorResponse): Page {
  if (response.status !== 200) throw pollRefused(response);
  const body = fieldsIn(response.text);
  const asOf = timeOf(body?.asOf);
  if (!body || !asOf) throw new VendorCallFailed('stock: asOf is missing or not a time with its offset');
  const rows = itemsIn(body).map(rowIn);
  const { nextCursor } = body;
  if (nextCursor !== null && (typeof nextCursor !== 'string' || nextCursor === '')) {
    throw new VendorCallFailed('stock: nextCursor is neither null nor a text');
  }
  return { asOf, nextCursor, rows };
}

function rowIn(item: unknown): ListedRow {
  const { sku, name, quantity, price } = (item ?? {}) as Partial<ListedRow>;
  return { sku, name, quantity, price };
}

function purchased(response: VendorResponse): PurchaseAnswer {
  const body = fieldsIn(response.text);
  switch (response.status) {
    case 200:
    case 201:
      return acceptedIn(body) ?? unreadable(response);
    case 409:
    case 422:
      return refusedFor(body?.code, body?.message, REASONS) ?? unreadable(response);
    default:
      return notKnown(response, CODE);
  }
}

function lookedUp(response: VendorResponse): LookUpAnswer {
  if (response.status === 404) return notFound(response, CODE);
  if (response.status !== 200) return notKnown(response, CODE);
  const body = fieldsIn(response.text);
  switch (body?.status) {
    case undefined:
    case 'accepted':
      return acceptedIn(body) ?? unreadable(response);
    case 'pending':
      return { outcome: 'pending', detail: 'has it and has not decided' };
    case 'refused':
      return refusedFor(body.code ?? 'REFUSED', body.message, REASONS) ?? unreadable(response);
    case 'cancelled':
      return { outcome: 'refused', reason: 'CANCELLED', detail: 'the vendor has cancelled it' };
    default:
      return unreadable(response);
  }
}

const STATUSES: ReadonlyMap<unknown, ChangedOrderStatus> = new Map(
  (['accepted', 'pending', 'refused', 'cancelled'] as const).map((status) => [status, status]),
);

function changedIn({ reference, status, vendorOrderId }: Fields): ChangedOrder | undefined {
  return changedOrder(reference, STATUSES.get(status), vendorOrderId);
}

function acceptedIn(body: Fields | undefined) {
  return acceptedAs(body?.vendorOrderId, body?.acceptedAt);
}
