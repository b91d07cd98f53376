import { setTimeout as pause } from 'node:timers/promises';
import { atFormerAddress } from '../../vendors/address.repository';
import type { NotAsked, SpareCalls } from '../../vendors/spare-calls';
import type { Vendor } from '../../vendors/vendor';
import type {
  ChangedOrdersAnswer,
  ChangedOrdersRequest,
  LookUpAnswer,
  Unknown,
  VendorAdapter,
} from '../../vendors/vendor-adapter';
import type { Candidate } from './candidate.repository';
import type { BooksAnswer } from './comparison';
import type { PartInHand } from './part-in-hand';

/** Look-ups of one part: some 220 a second in its quarter of an hour. The next run goes on, at once. */
const LOOK_UPS_MAX = 200_000;
/** Look-ups under way at once, whatever the vendor allows: 400 a second where each takes 20 ms. */
export const AT_ONCE_MAX = 8;
/** In the vendor's last free slot one rests after each look-up as long as it took, at most this: half of the slot's time. */
const REST_MS_MAX = 1000;
/** A vendor that wants to be left alone for longer, or says so again and again, is left alone until the next run. */
const RETRY_AFTER_MS_MAX = 60_000;
const RATE_LIMITED_MAX = 3;

/**
 * One part's way through a vendor's books, no faster and for no longer than the vendor bears. Several look-ups are under way
 * at once while more than one slot is free, so that dispatch always finds one. Where there are no two, or the vendor has
 * limited our rate, one look-up at a time waits for a slot, and rests.
 */
export class BooksInHand {
  private closedBecause: string | undefined;
  private rateLimited = 0;
  /** Monotonic clock: nobody asks before. */
  private restUntil = 0;
  private lastSeat: Promise<unknown> = Promise.resolve();

  constructor(
    readonly part: PartInHand,
    readonly vendor: Vendor,
    private readonly adapterOf: (vendor: Vendor) => VendorAdapter,
    private readonly calls: SpareCalls,
    readonly signal: AbortSignal,
  ) {}

  /** The vendor is not asked any more. */
  get closed(): boolean {
    return this.closedBecause !== undefined;
  }

  /** So many look-ups are worth beginning at once. */
  get atOnce(): number {
    return Math.min(this.vendor.maxConcurrentOrders, AT_ONCE_MAX);
  }

  /** Where it was sent: another address of the vendor says nothing of it. */
  async lookUp({ orderId, formerAddress }: Pick<Candidate, 'orderId' | 'formerAddress'>): Promise<BooksAnswer> {
    const vendor = atFormerAddress(this.vendor, formerAddress ?? undefined);
    const answer = await this.ask(vendor, () => this.adapterOf(vendor).lookUp(vendor, orderId));
    if (answer.outcome === 'not_asked') return answer;
    const { progress } = this.part;
    progress.compared += 1;
    if (progress.compared === LOOK_UPS_MAX) {
      this.close(`one run asks about ${LOOK_UPS_MAX}`);
      this.part.toGoOn = true;
    }
    return answer;
  }

  /** A page of its list of changed orders. */
  changedOrders(request: ChangedOrdersRequest): Promise<ChangedOrdersAnswer | NotAsked> {
    const { vendor } = this;
    const adapter = this.adapterOf(vendor);
    return this.ask(vendor, async () => (await adapter.changedOrders?.(vendor, request)) ?? { outcome: 'not_offered' });
  }

  /** A vendor's rate limit is kept to: it is waited for, and after a few times the vendor is asked no more. */
  private async ask<Answer extends LookUpAnswer | ChangedOrdersAnswer>(
    vendor: Vendor,
    call: () => Promise<Answer>,
  ): Promise<Answer | Unknown | NotAsked> {
    for (;;) {
      if (this.closedBecause !== undefined) return { outcome: 'not_asked', detail: this.closedBecause };
      let askedAt = performance.now();
      const answer = await this.askOnce(vendor, () => {
        askedAt = performance.now();
        return call();
      });
      if (answer.outcome === 'not_asked') this.close(answer.detail);
      const isLimit = answer.outcome === 'unknown' && answer.rateLimited === true;
      if (!isLimit) this.rateLimited = 0;
      if (answer.outcome === 'unknown') this.heed(answer, askedAt);
      if (!isLimit) return answer;
    }
  }

  private async askOnce<Answer extends LookUpAnswer | ChangedOrdersAnswer>(
    vendor: Vendor,
    call: () => Promise<Answer>,
  ): Promise<Answer | Unknown | NotAsked> {
    await this.rest(this.restUntil - performance.now());
    if (this.rateLimited === 0) {
      const answer = await this.calls.makeIfIdle(vendor, call);
      if (answer !== 'busy') return answer;
    }
    return this.oneAtATime(async () => {
      if (this.closedBecause !== undefined) return { outcome: 'not_asked', detail: this.closedBecause };
      await this.rest(this.restUntil - performance.now());
      let tookMs = 0;
      const timed = async () => {
        const startedAt = performance.now();
        return call().finally(() => (tookMs = performance.now() - startedAt));
      };
      const answer = await this.calls.make(vendor, timed, this.signal);
      await this.rest(Math.min(tookMs, REST_MS_MAX));
      return answer;
    });
  }

  /** Several that were asked at once hear of the same limit. */
  private heed({ rateLimited, retryAfterMs: askedForMs = 0 }: Unknown, askedAt: number): void {
    if (askedAt < this.restUntil) return;
    this.restUntil = performance.now() + askedForMs;
    if (rateLimited) this.rateLimited += 1;
    if (askedForMs > RETRY_AFTER_MS_MAX || this.rateLimited >= RATE_LIMITED_MAX) {
      this.close(`${this.vendor.name} asks us to wait`);
    }
  }

  private oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.lastSeat.then(work);
    this.lastSeat = turn.catch(() => undefined);
    return turn;
  }

  private async rest(ms: number): Promise<void> {
    if (ms > 0 && !this.closed) await pause(ms, undefined, { signal: this.signal });
  }

  private close(because: string): void {
    this.closedBecause ??= because;
    this.part.fallShort(`Not every order was compared: ${because}.`);
  }
}
