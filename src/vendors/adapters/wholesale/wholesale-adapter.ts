import { Injectable } from '@nestjs/common';
import { PollPatience } from '../../poll-patience';
import { readAhead } from '../../read-ahead';
import type { Vendor } from '../../vendor';
import { CHANGED_ORDERS_BYTES_MAX, changedOrdersAnswer } from '../../changed-orders';
import {
  type CancelAnswer,
  type ChangedOrdersAnswer,
  type ChangedOrdersRequest,
  type Listing,
  type ListedRow,
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
import { VendorHttp, type VendorRequest, type VendorResponse } from '../../vendor-http';
import { isCount, purchaseOrdersIn } from './purchase-order-list';

/** The dialect's own maximum: some 120 KB, parsed in a few milliseconds, written to the database by one statement. */
const PAGE_ROWS = 1000;
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Two million rows at the page size we ask for, ten times that in small pages; who pages for ever is stopped here. */
const PAGES_MAX = 20_000;
const ITEMS_MAX = PAGES_MAX * PAGE_ROWS;
/** A catalogue whose rows keep sliding from page to page is read from the start so often, and then left for later. */
const READINGS_MAX = 3;
/** Where an error says what it is; without it, the words may be somebody else's. */
const CODE = 'error';
const REASONS: ReadonlyMap<string, RefusalReason> = new Map([
  ['insufficient_stock', 'OUT_OF_STOCK'],
  ['unknown_item', 'UNKNOWN_SKU'],
  ['cancelled', 'CANCELLED'],
]);

/** JSON over HTTP with numbered pages, changes by sequence number, prices in cents; orders decided at once. */
@Injectable()
export class WholesaleAdapter implements VendorAdapter {
  readonly kind = 'wholesale';

  constructor(private readonly http: VendorHttp) {}

  async poll(vendor: Vendor, { kind, marks, signal }: PollRequest): Promise<Poll> {
    const calls = new InventoryCalls(this.http, vendor, signal);
    const changes = kind === 'delta' && marks.position !== null ? await delta(calls, marks.position) : undefined;
    return changes ?? full(calls);
  }

  purchase(vendor: Vendor, { reference, sku, quantity }: Purchase): Promise<PurchaseAnswer> {
    const body = JSON.stringify({ po_number: reference, item_number: sku, quantity });
    const call = this.call(vendor, { method: 'POST', path: '/purchase_orders', body });
    return purchaseAnswer(call, (response) => purchased(response, reference));
  }

  lookUp(vendor: Vendor, reference: string): Promise<LookUpAnswer> {
    const call = this.call(vendor, { method: 'GET', path: `/purchase_orders/${encodeURIComponent(reference)}` });
    return orderAnswer(call, (response) => lookedUp(response, reference));
  }

  cancel(vendor: Vendor, reference: string): Promise<CancelAnswer> {
    const call = this.call(vendor, { method: 'DELETE', path: `/purchase_orders/${encodeURIComponent(reference)}` });
    return orderAnswer(call, (response) => cancelAnswer(response, CODE));
  }

  changedOrders(vendor: Vendor, { since, limit, place }: ChangedOrdersRequest): Promise<ChangedOrdersAnswer> {
    const [page = '1', list] = place?.split(' ') ?? [];
    const query = new URLSearchParams({ changed_since: since.toISOString(), page, page_size: String(limit) });
    if (list !== undefined) query.set('list', list);
    const call = this.http.call(vendor, {
      method: 'GET',
      path: `/purchase_orders?${query.toString()}`,
      credential: 'apiKey',
      answerBytesMax: CHANGED_ORDERS_BYTES_MAX,
    });
    return changedOrdersAnswer(call, CODE, ({ text }) => purchaseOrdersIn(fieldsIn(text), Number(page)));
  }

  private call(vendor: Vendor, request: Omit<VendorRequest, 'answerBytesMax'>): Promise<VendorResponse> {
    return this.http.call(vendor, { ...request, credential: 'apiKey', answerBytesMax: ORDER_ANSWER_BYTES_MAX });
  }
}

/** The calls of one poll. */
class InventoryCalls {
  private readonly patience: PollPatience;

  constructor(
    private readonly http: VendorHttp,
    private readonly vendor: Vendor,
    private readonly signal: AbortSignal,
  ) {
    this.patience = new PollPatience(signal);
  }

  async page(page: number): Promise<InventoryPage> {
    return inventoryPage(await this.get(`/inventory?page=${page}&page_size=${PAGE_ROWS}`), page);
  }

  changes(after: string): Promise<VendorResponse> {
    return this.get(`/inventory/changes?after=${encodeURIComponent(after)}&limit=${PAGE_ROWS}`);
  }

  private get(path: string): Promise<VendorResponse> {
    const { signal } = this;
    return this.patience.ask(() =>
      this.http.call(this.vendor, {
        method: 'GET',
        path,
        credential: 'apiKey',
        answerBytesMax: PAGE_BYTES_MAX,
        signal,
      }),
    );
  }
}

interface InventoryPage {
  asOf: Date;
  sequence: number;
  rows: ListedRow[];
  totalPages: number;
  totalItems: number;
}

async function full(calls: InventoryCalls): Promise<Listing> {
  const first = await calls.page(1);
  return {
    outcome: 'listing',
    kind: 'full',
    asOf: first.asOf,
    rowsExpected: first.totalItems,
    pages: readAhead(inventory(calls, first)),
    marks: () => ({ position: String(first.sequence), etag: null }),
  };
}

/**
 * Reads again from page 1 when rows may have slid from one page to another. What the broken-off reading has given stays
 * true: it is no older than the listing's time, which is that of the first reading's first page.
 */
async function* inventory(calls: InventoryCalls, first: InventoryPage): AsyncIterable<ListedRow[]> {
  for (let readings = 1; readings <= READINGS_MAX; readings++) {
    const begun = readings === 1 ? first : await calls.page(1);
    const { totalItems, totalPages } = begun;
    if (totalPages > PAGES_MAX) throw new VendorCallFailed(`stock: more than ${PAGES_MAX} pages`);
    let page = begun;
    let rows = 0;
    for (let number = 1; page.totalItems === totalItems;) {
      seeThatNoOlder(page, first);
      yield page.rows;
      rows += page.rows.length;
      number += 1;
      if (number > totalPages && rows === totalItems) return;
      if (number > totalPages || rows > totalItems)
        throw new VendorCallFailed(`stock: lists ${rows} items, and total_items is ${totalItems}`);
      page = await calls.page(number);
    }
  }
  throw new VendorCallFailed(`stock: total_items changed between pages in each of ${READINGS_MAX} readings`);
}

/** Its numbers would be taken for those of the first page's time, such as those of a replica that lags behind. */
function seeThatNoOlder(page: { asOf: Date }, first: { asOf: Date }): void {
  if (page.asOf < first.asOf) throw new VendorCallFailed('stock: as_of goes back between pages');
}

/** Nothing where the vendor no longer knows what has changed since. */
async function delta(calls: InventoryCalls, position: string): Promise<Listing | undefined> {
  const response = await calls.changes(position);
  if (response.status === 410) return undefined;
  const first = changesPage(response);
  // A vendor that counts from a lower number has been set back, and what it changed since is anybody's guess.
  if (first.sequence < Number(position)) return undefined;
  let reached = first.sequence;
  async function* pages(): AsyncIterable<ListedRow[]> {
    let page = first;
    for (let pages = 1; pages <= PAGES_MAX; pages++) {
      yield page.rows;
      reached = page.sequence;
      if (!page.hasMore) return;
      page = changesPage(await calls.changes(String(reached)));
      seeThatNoOlder(page, first);
      if (page.sequence <= reached && page.hasMore) throw new VendorCallFailed('stock: sequence does not go on');
      if (page.sequence < reached) throw new VendorCallFailed('stock: sequence goes back');
    }
    throw new VendorCallFailed(`stock: more than ${PAGES_MAX} pages`);
  }
  return {
    outcome: 'listing',
    kind: 'delta',
    asOf: first.asOf,
    rowsExpected: null,
    pages: pages(),
    marks: () => ({ position: String(reached), etag: null }),
  };
}

function inventoryPage(response: VendorResponse, asked: number): InventoryPage {
  const body = bodyOf(response);
  const { total_pages: totalPages, total_items: totalItems, page } = body;
  if (!isCount(totalPages) || !isCount(totalItems) || totalItems > ITEMS_MAX) {
    throw new VendorCallFailed(
      `stock: total_pages or total_items is not a whole number, or total_items beyond ${ITEMS_MAX}`,
    );
  }
  if (page !== asked) throw new VendorCallFailed(`stock: page ${asked} was asked for and another came`);
  return { ...stockIn(body), totalPages, totalItems };
}

function changesPage(response: VendorResponse) {
  const body = bodyOf(response);
  if (typeof body.has_more !== 'boolean') throw new VendorCallFailed('stock: has_more is neither true nor false');
  return { ...stockIn(body), hasMore: body.has_more };
}

function bodyOf(response: VendorResponse): Fields {
  if (response.status !== 200) throw pollRefused(response);
  const body = fieldsIn(response.text);
  if (!body) throw new VendorCallFailed('stock: answered 200 with a body that is not a JSON object');
  return body;
}

function stockIn(body: Fields) {
  const asOf = timeOf(body.as_of);
  if (!asOf) throw new VendorCallFailed('stock: as_of is missing or not a time with its offset');
  if (!isCount(body.sequence)) throw new VendorCallFailed('stock: sequence is not a whole number');
  return { asOf, sequence: body.sequence, rows: itemsIn(body).map((item) => rowIn((item ?? {}) as Fields)) };
}

function rowIn({ item_number: sku, description: name, on_hand: quantity, price_cents: cents }: Fields): ListedRow {
  return { sku, name, quantity, price: decimalOf(cents) };
}

/** Cents as decimal text. Anything but whole cents is no price, so that the row is rejected and not rounded. */
function decimalOf(cents: unknown): string | undefined {
  if (!isCount(cents)) return undefined;
  const digits = String(cents).padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

function purchased(response: VendorResponse, reference: string): PurchaseAnswer {
  const body = fieldsIn(response.text);
  switch (response.status) {
    case 200:
    case 201:
      return confirmedIn(body, reference) ?? unreadable(response);
    case 409:
    case 422:
      return refusedFor(body?.error, body?.message, REASONS) ?? unreadable(response);
    default:
      return notKnown(response, CODE);
  }
}

function lookedUp(response: VendorResponse, reference: string): LookUpAnswer {
  if (response.status === 404) return notFound(response, CODE);
  if (response.status !== 200) return notKnown(response, CODE);
  const body = fieldsIn(response.text);
  switch (body?.state) {
    case 'confirmed':
      return confirmedIn(body, reference) ?? unreadable(response);
    case 'rejected':
      return refusedFor(body.error ?? 'rejected', body.message, REASONS) ?? unreadable(response);
    case 'cancelled':
      return { outcome: 'refused', reason: 'CANCELLED', detail: 'the vendor has cancelled it' };
    default:
      return unreadable(response);
  }
}

/** An answer about another purchase order, such as a cache's, says nothing of ours. */
function confirmedIn(body: Fields | undefined, reference: string) {
  return body?.po_number === reference ? acceptedAs(body.confirmation_number, body.confirmed_at) : undefined;
}
