import { Injectable } from '@nestjs/common';
import { ndjsonObjects } from '../../ndjson';
import { PollPatience } from '../../poll-patience';
import { readAhead } from '../../read-ahead';
import type { Vendor } from '../../vendor';
import { CHANGED_ORDERS_BYTES_MAX, changedOrder, changedOrdersAnswer, changedOrdersPage } from '../../changed-orders';
import {
  type CancelAnswer,
  type ChangedOrdersAnswer,
  type ChangedOrdersPage,
  type ChangedOrdersRequest,
  type ChangedOrderStatus,
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
  etagOf,
  type Fields,
  fieldsIn,
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
import { NoAnswer, VendorHttp, type VendorRequest, type VendorResponse } from '../../vendor-http';

/** The file comes in pieces of some hundred lines; this many make one statement of the database worth its while. */
const PAGE_ROWS = 2000;
const FILE_ROWS_MAX = 20_000_000;
const FILE_BYTES_MAX = 4 * 1024 ** 3;
/** Where an error says what it is; without it, the words may be somebody else's. */
const CODE = 'reason';
const REASONS: ReadonlyMap<string, RefusalReason> = new Map([
  ['OUT_OF_STOCK', 'OUT_OF_STOCK'],
  ['UNKNOWN_SKU', 'UNKNOWN_SKU'],
  ['CANCELLED', 'CANCELLED'],
]);

/** One NDJSON file of the whole catalogue; orders are queued, and decided later. */
@Injectable()
export class FeedAdapter implements VendorAdapter {
  readonly kind = 'feed';

  constructor(private readonly http: VendorHttp) {}

  async poll(vendor: Vendor, { kind, marks, signal }: PollRequest): Promise<Poll> {
    const asked = kind === 'full' && marks.etag !== null;
    const request: VendorRequest = {
      method: 'GET',
      path: '/catalogue.ndjson',
      headers: { accept: 'application/x-ndjson', ...(asked && { 'if-none-match': marks.etag! }) },
      answerBytesMax: FILE_BYTES_MAX,
      signal,
    };
    const answer = await new PollPatience(signal).ask(() => this.http.stream(vendor, request));
    if (answer.status === 304 && asked) return { outcome: 'unchanged' };
    if (!answer.chunks) throw pollRefused(answer);
    const file = new CatalogueFile(answer.chunks);
    return {
      outcome: 'listing',
      kind: 'full',
      asOf: await file.asOf(),
      rowsExpected: null,
      pages: readAhead(file.pages()),
      marks: () => ({ position: null, etag: etagOf(answer) }),
    };
  }

  purchase(vendor: Vendor, { reference, sku, quantity }: Purchase): Promise<PurchaseAnswer> {
    const body = JSON.stringify({ orderRef: reference, id: sku, count: quantity });
    const call = this.call(vendor, { method: 'POST', path: '/orders', body });
    return purchaseAnswer(call, (response) => purchased(response, reference));
  }

  lookUp(vendor: Vendor, reference: string): Promise<LookUpAnswer> {
    const call = this.call(vendor, { method: 'GET', path: `/orders/${encodeURIComponent(reference)}` });
    return orderAnswer(call, (response) => lookedUp(response, reference));
  }

  cancel(vendor: Vendor, reference: string): Promise<CancelAnswer> {
    const call = this.call(vendor, { method: 'DELETE', path: `/orders/${encodeURIComponent(reference)}` });
    return orderAnswer(call, (response) => cancelAnswer(response, CODE));
  }

  changedOrders(vendor: Vendor, { since, limit, place }: ChangedOrdersRequest): Promise<ChangedOrdersAnswer> {
    const query = new URLSearchParams({ changedSince: since.toISOString(), lines: String(limit) });
    if (place !== null) query.set('after', place);
    const call = this.http.call(vendor, {
      method: 'GET',
      path: `/orders.ndjson?${query.toString()}`,
      headers: { accept: 'application/x-ndjson' },
      answerBytesMax: CHANGED_ORDERS_BYTES_MAX,
    });
    return changedOrdersAnswer(call, CODE, ({ text }) => orderLinesIn(text));
  }

  private call(vendor: Vendor, request: Omit<VendorRequest, 'answerBytesMax'>): Promise<VendorResponse> {
    return this.http.call(vendor, { ...request, answerBytesMax: ORDER_ANSWER_BYTES_MAX });
  }
}

/** First its time, then its products, at last how many there were: without that line the file was broken off. */
class CatalogueFile {
  private readonly pieces: AsyncGenerator<Fields[], undefined>;
  private firstProducts: Fields[] = [];
  private rows = 0;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.pieces = ndjsonObjects(chunks);
  }

  async asOf(): Promise<Date> {
    const [first, ...products] = (await this.nextPiece()) ?? [];
    const asOf = timeOf(first?.asOf);
    if (!asOf) {
      await this.pieces.return(undefined);
      throw new VendorCallFailed('stock: the first line has no asOf, or one that is not a time with its offset');
    }
    this.firstProducts = products;
    return asOf;
  }

  async *pages(): AsyncIterable<ListedRow[]> {
    try {
      let page: ListedRow[] = [];
      let end: Fields | undefined;
      for (let piece: Fields[] | undefined = this.firstProducts; piece; piece = await this.nextPiece()) {
        for (const line of piece) {
          if (end) throw new VendorCallFailed('stock: the file goes on after its last line');
          if (line.end === true) end = line;
          else page.push(rowIn(line));
        }
        if (page.length < PAGE_ROWS) continue;
        yield this.counted(page);
        page = [];
      }
      if (!end)
        throw new VendorCallFailed(`stock: the file ends after ${this.rows + page.length} rows without its last line`);
      if (page.length > 0) yield this.counted(page);
      if (end.count !== this.rows) {
        throw new VendorCallFailed(`stock: the file has ${this.rows} rows, and its last line counts another number`);
      }
    } finally {
      await this.pieces.return(undefined);
    }
  }

  private counted(page: ListedRow[]): ListedRow[] {
    this.rows += page.length;
    if (this.rows > FILE_ROWS_MAX) throw new VendorCallFailed(`stock: the file has more than ${FILE_ROWS_MAX} rows`);
    return page;
  }

  private async nextPiece(): Promise<Fields[] | undefined> {
    try {
      return (await this.pieces.next()).value;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const message = `stock: the file broke off after ${this.rows} rows: ${error.message}`;
      throw new VendorCallFailed(message, { cause: error });
    }
  }
}

function rowIn({ id: sku, title: name, available: quantity, price }: Fields): ListedRow {
  return { sku, name, quantity, price };
}

function purchased(response: VendorResponse, reference: string): PurchaseAnswer {
  const body = fieldsIn(response.text);
  switch (response.status) {
    case 200:
    case 201:
    case 202:
      return stateIn(body, reference) ?? unreadable(response);
    case 409:
    case 422:
      return refusedFor(body?.reason, body?.message, REASONS) ?? unreadable(response);
    default:
      return notKnown(response, CODE);
  }
}

function lookedUp(response: VendorResponse, reference: string): LookUpAnswer {
  if (response.status === 404) return notFound(response, CODE);
  if (response.status !== 200) return notKnown(response, CODE);
  return stateIn(fieldsIn(response.text), reference) ?? unreadable(response);
}

const STATES: ReadonlyMap<unknown, ChangedOrderStatus> = new Map<unknown, ChangedOrderStatus>([
  ['queued', 'pending'],
  ['accepted', 'accepted'],
  ['rejected', 'refused'],
  ['cancelled', 'cancelled'],
]);

/** First its time, then its orders, at last how many there were and where to go on: without that line it was broken off. */
function orderLinesIn(text: string): ChangedOrdersPage | undefined {
  const lines = text.trimEnd().split('\n').map(fieldsIn);
  const [first, last] = [lines[0], lines.at(-1)];
  const orders = lines.slice(1, -1);
  if (last?.end !== true || last.count !== orders.length) return undefined;
  return changedOrdersPage(first?.asOf, orders, last.next, (line) =>
    changedOrder(line.orderRef, STATES.get(line.state), line.orderNumber),
  );
}

/** An answer about another order, such as a cache's, says nothing of ours. */
function stateIn(body: Fields | undefined, reference: string) {
  if (body?.orderRef !== reference) return undefined;
  switch (body.state) {
    case 'queued':
      return { outcome: 'pending' as const, detail: 'has queued it and has not decided' };
    case 'accepted':
      return acceptedAs(body.orderNumber, body.acceptedAt);
    case 'rejected':
      return refusedFor(body.reason ?? 'REJECTED', body.message, REASONS);
    case 'cancelled':
      return { outcome: 'refused' as const, reason: 'CANCELLED' as const, detail: 'the vendor has cancelled it' };
    default:
      return undefined;
  }
}
