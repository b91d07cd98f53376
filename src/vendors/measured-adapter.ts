import type { Vendor } from './vendor';
import {
  type CancelAnswer,
  type ChangedOrdersAnswer,
  type ChangedOrdersRequest,
  type Listing,
  type LookUpAnswer,
  type Poll,
  type PollRequest,
  type Purchase,
  type PurchaseAnswer,
  type VendorAdapter,
  VendorCallFailed,
} from './vendor-adapter';
import type { VendorCallOutcome, VendorMetrics, VendorOperation } from './vendor-metrics';

type OrderAnswer = PurchaseAnswer | LookUpAnswer | CancelAnswer | ChangedOrdersAnswer;

const OUTCOME_OF: Record<OrderAnswer['outcome'], VendorCallOutcome> = {
  accepted: 'accepted',
  pending: 'accepted',
  cancelled: 'accepted',
  refused: 'refused',
  page: 'accepted',
  not_offered: 'refused',
  not_found: 'refused',
  too_late: 'refused',
  unknown: 'unknown',
  not_sent: 'not_sent',
};

/** Any adapter, with its calls counted and timed. */
export class MeasuredAdapter implements VendorAdapter {
  readonly kind: string;

  constructor(
    private readonly adapter: VendorAdapter,
    private readonly metrics: VendorMetrics,
  ) {
    this.kind = adapter.kind;
  }

  purchase(vendor: Vendor, purchase: Purchase): Promise<PurchaseAnswer> {
    return this.measured(vendor, 'purchase', () => this.adapter.purchase(vendor, purchase));
  }

  lookUp(vendor: Vendor, reference: string): Promise<LookUpAnswer> {
    return this.measured(vendor, 'look_up', () => this.adapter.lookUp(vendor, reference));
  }

  cancel(vendor: Vendor, reference: string): Promise<CancelAnswer> {
    return this.measured(vendor, 'cancel', () => this.adapter.cancel(vendor, reference));
  }

  async changedOrders(vendor: Vendor, request: ChangedOrdersRequest): Promise<ChangedOrdersAnswer> {
    const { adapter } = this;
    if (!adapter.changedOrders) return { outcome: 'not_offered' };
    return this.measured(vendor, 'list_orders', () => adapter.changedOrders!(vendor, request));
  }

  async poll(vendor: Vendor, request: PollRequest): Promise<Poll> {
    const waiting = new Waiting((outcome, ms) => this.metrics.count(vendor.vendorId, 'stock', outcome, ms), request);
    const poll = await waiting.during(() => this.adapter.poll(vendor, request));
    if (poll.outcome === 'listing') return { ...poll, pages: waiting.through(poll.pages) };
    waiting.ended('accepted');
    return poll;
  }

  private async measured<Answer extends OrderAnswer>(
    { vendorId }: Vendor,
    operation: VendorOperation,
    call: () => Promise<Answer>,
  ): Promise<Answer> {
    const startedAt = performance.now();
    const answer = await call();
    this.metrics.count(vendorId, operation, OUTCOME_OF[answer.outcome], performance.now() - startedAt);
    return answer;
  }
}

/** How long a vendor lets us wait in one poll, while its pages are read by somebody who takes time of his own. */
class Waiting {
  private waitedMs = 0;

  constructor(
    private readonly count: (outcome: VendorCallOutcome, waitedMs: number) => void,
    private readonly request: PollRequest,
  ) {}

  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now();
    try {
      return await work();
    } catch (error) {
      this.failed(error, performance.now() - startedAt);
      throw error;
    } finally {
      this.waitedMs += performance.now() - startedAt;
    }
  }

  /** Counted when the last page has come; a listing that its reader leaves early is not. */
  through(pages: Listing['pages']): Listing['pages'] {
    return {
      [Symbol.asyncIterator]: () => {
        const iterator = pages[Symbol.asyncIterator]();
        return {
          next: async () => {
            const page = await this.during(() => iterator.next());
            if (page.done) this.ended('accepted');
            return page;
          },
          // Past a page that hangs: a generator around the other would be asked to end only after it.
          return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
        };
      },
    };
  }

  ended(outcome: VendorCallOutcome): void {
    this.count(outcome, this.waitedMs);
  }

  /** What we broke off ourselves says nothing of the vendor, unless it took too long. */
  private failed(error: unknown, lastMs: number): void {
    const { signal } = this.request;
    if (signal.aborted && (signal.reason as Error | undefined)?.name !== 'TimeoutError') return;
    if (!signal.aborted && !(error instanceof VendorCallFailed)) return;
    const refused = error instanceof VendorCallFailed && error.health === 'turnedAway';
    this.count(refused ? 'refused' : 'unknown', this.waitedMs + lastMs);
  }
}
