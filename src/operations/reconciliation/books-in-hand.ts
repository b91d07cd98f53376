import { setTimeout as pause } from 'node:timers/promises';
import type { SpareCalls } from '../../vendors/spare-calls';
import type { Vendor } from '../../vendors/vendor';
import type { VendorAdapter } from '../../vendors/vendor-adapter';
import type { BooksAnswer } from './comparison';
import type { PartInHand } from './part-in-hand';

/** Look-ups of one part: so many a vendor that answers in 20 ms bears in a quarter of an hour. The next run goes on. */
const LOOK_UPS_MAX = 20_000;
/** After each look-up one rests as long as it took, so that it takes half of one slot at most; never longer than this. */
const REST_MS_MAX = 1000;
/** A vendor that wants to be left alone for longer, or says so again and again, is left alone until the next run. */
const RETRY_AFTER_MS_MAX = 60_000;
const RATE_LIMITED_MAX = 3;

/** One part's way through a vendor's books: one look-up at a time, no faster and for no longer than the vendor bears. */
export class BooksInHand {
  private rateLimited = 0;
  private closedBecause: string | undefined;

  constructor(
    readonly part: PartInHand,
    readonly vendor: Vendor,
    private readonly adapter: VendorAdapter,
    private readonly calls: SpareCalls,
    readonly signal: AbortSignal,
  ) {}

  /** The vendor is not asked any more. */
  get closed(): boolean {
    return this.closedBecause !== undefined;
  }

  async lookUp(orderId: string): Promise<BooksAnswer> {
    if (this.closedBecause !== undefined) return { outcome: 'not_asked', detail: this.closedBecause };
    const { vendor, signal, part } = this;
    const startedAt = performance.now();
    const answer = await this.calls.make(vendor, () => this.adapter.lookUp(vendor, orderId), signal);
    if (answer.outcome === 'not_asked') {
      this.close(answer.detail);
      return answer;
    }
    part.progress.compared += 1;
    await this.rest(answer, performance.now() - startedAt);
    if (part.progress.compared >= LOOK_UPS_MAX) this.close(`one run asks about ${LOOK_UPS_MAX}`);
    return answer;
  }

  /** A vendor's rate limit is kept to: it is waited for, and after a few times the vendor is asked no more. */
  private async rest(answer: BooksAnswer, tookMs: number): Promise<void> {
    const askedForMs = answer.outcome === 'unknown' ? (answer.retryAfterMs ?? 0) : 0;
    this.rateLimited = answer.outcome === 'unknown' && answer.rateLimited ? this.rateLimited + 1 : 0;
    if (askedForMs > RETRY_AFTER_MS_MAX || this.rateLimited >= RATE_LIMITED_MAX) {
      return this.close(`${this.vendor.name} asks us to wait`);
    }
    await pause(Math.max(askedForMs, Math.min(tookMs, REST_MS_MAX)), undefined, { signal: this.signal });
  }

  private close(because: string): void {
    this.closedBecause ??= because;
    this.part.fallShort(`Not every order was compared: ${because}.`);
  }
}
