import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { PollPatience } from '../poll-patience';
import type { Vendor } from '../vendor';
import { NO_MARKS } from '../vendor-adapter';
import type {
  Accepted,
  CancelAnswer,
  ChangedOrdersAnswer,
  ChangedOrdersRequest,
  LookUpAnswer,
  PurchaseAnswer,
  VendorAdapter,
} from '../vendor-adapter';
import type { AnswerHead, VendorRequest } from '../vendor-http';
import type { Exchange, RecordedHttp } from './recorded-http';
import { Breach, type StockCalls, type StockDialect } from './stock-dialect';
import { type StockWalk, walk } from './stock-walk';

export const PAGE_ROWS = 1000;
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const FILE_BYTES_MAX = 4 * 1024 ** 3;
const LOOK_AGAIN_MS = 200;
/** A queue that decides later than this is watched no longer. */
const DECISION_MS_MAX = 60_000;
/** Waiting out a rate limit, an order is sent again so often. */
const RATE_LIMITS_MAX = 5;

export interface CheckedVendor {
  vendor: Vendor;
  adapter: VendorAdapter;
  http: RecordedHttp;
  stock: StockDialect;
  /** What is bought; the first SKU in stock when absent. */
  sku?: string;
  signal: AbortSignal;
}

/** An order that a check has placed. */
export interface PlacedOrder {
  reference: string;
  sku: string;
  /** What it came to in the end. */
  answer: PurchaseAnswer | LookUpAnswer;
  /** The call that said so. */
  exchange: Exchange;
}

/** Where the checks ask one vendor, and what they have learnt so far. */
export class Desk implements StockCalls {
  readonly http: RecordedHttp;
  readonly stock: StockDialect;
  /** The order most checks are about, and the stock just before it. */
  bought: (PlacedOrder & { answer: Accepted; before: StockWalk }) | undefined;
  /** Whether it was cancelled. */
  cancelled = false;
  private readonly patience: PollPatience;
  private listing: Promise<StockWalk> | undefined;

  constructor(private readonly checked: CheckedVendor) {
    this.http = checked.http;
    this.stock = checked.stock;
    this.patience = new PollPatience(checked.signal);
  }

  get lagMs(): number {
    return this.checked.vendor.consistencyLagMs;
  }

  get last(): Exchange {
    return this.http.last;
  }

  /** The first listing, read once for all checks. */
  firstListing(): Promise<StockWalk> {
    return (this.listing ??= this.listingNow());
  }

  listingNow(pageRows = PAGE_ROWS): Promise<StockWalk> {
    return walk(this.stock, this.stock.whole(this, pageRows));
  }

  /** Given SKU, else the first that can be had. */
  wanted({ quantities }: StockWalk): string | undefined {
    const { sku } = this.checked;
    return sku ?? [...quantities].find(([, quantity]) => quantity > 0)?.[0];
  }

  newReference(): string {
    return `check-${randomUUID()}`;
  }

  /** Orders one unit, and watches the order until it is decided. */
  async order(sku: string, reference = this.newReference()): Promise<PlacedOrder> {
    const { adapter, vendor } = this.checked;
    let answer: PlacedOrder['answer'];
    for (let limits = 0; ; limits++) {
      answer = await adapter.purchase(vendor, { reference, sku, quantity: 1 });
      if (answer.outcome !== 'unknown' || !answer.rateLimited || limits === RATE_LIMITS_MAX) break;
      await this.wait(answer.retryAfterMs ?? LOOK_AGAIN_MS);
    }
    if (answer.outcome === 'pending')
      answer = await this.lookUpUntil(reference, ({ outcome }) => outcome !== 'pending', DECISION_MS_MAX);
    return { reference, sku, answer, exchange: this.last };
  }

  lookUp(reference: string): Promise<LookUpAnswer> {
    return this.checked.adapter.lookUp(this.checked.vendor, reference);
  }

  /** Answers what satisfied, or what it was at last. */
  async lookUpUntil(
    reference: string,
    satisfies: (answer: LookUpAnswer) => boolean,
    msMax: number,
  ): Promise<LookUpAnswer> {
    const until = performance.now() + msMax;
    for (;;) {
      const answer = await this.lookUp(reference);
      if (satisfies(answer) || performance.now() > until) return answer;
      await this.wait(LOOK_AGAIN_MS);
    }
  }

  async wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.checked.signal });
  }

  cancel(reference: string): Promise<CancelAnswer> {
    return this.checked.adapter.cancel(this.checked.vendor, reference);
  }

  async changedOrders(request: ChangedOrdersRequest): Promise<ChangedOrdersAnswer> {
    const { adapter, vendor } = this.checked;
    return (await adapter.changedOrders?.(vendor, request)) ?? { outcome: 'not_offered' };
  }

  /** Asks without the credential. */
  withoutCredential(): Promise<unknown> {
    const { adapter, vendor, signal } = this.checked;
    return adapter.poll({ ...vendor, credentialEnv: null }, { kind: 'full', marks: NO_MARKS, signal });
  }

  get hasCredential(): boolean {
    return this.checked.vendor.credentialEnv !== null;
  }

  async get(path: string, headers: Record<string, string> = {}) {
    const answer = await this.ask((request) => this.http.call(this.checked.vendor, request), {
      ...this.request(path, headers),
      answerBytesMax: PAGE_BYTES_MAX,
    });
    return { ...this.last, body: answer.text, head: answer };
  }

  async file(path: string, headers: Record<string, string> = {}) {
    const answer = await this.ask((request) => this.http.stream(this.checked.vendor, request), {
      ...this.request(path, headers),
      answerBytesMax: FILE_BYTES_MAX,
    });
    return { ...this.last, chunks: answer.chunks, head: answer };
  }

  private request(path: string, headers: Record<string, string>): Omit<VendorRequest, 'answerBytesMax'> {
    return { method: 'GET', path, headers, credential: this.stock.credential, signal: this.checked.signal };
  }

  private async ask<Answer extends AnswerHead>(
    call: (request: VendorRequest) => Promise<Answer>,
    request: VendorRequest,
  ): Promise<Answer> {
    try {
      return await this.patience.ask(() => call(request));
    } catch (error) {
      throw new Breach('stock-answers', this.last, (error as Error).message.replace(/^stock: /, ''));
    }
  }
}
