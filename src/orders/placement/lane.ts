import { Overloaded } from '../orders.errors';

/** So many wait in the lane that another one would wait too long. */
export class LaneFull extends Overloaded {}

/** What became of one request of a batch. */
export type Settled<Result> = { result: Result } | { error: unknown };

export interface LaneLimits<Request> {
  /** Weight committed together at most: a batch's time is what its last request waits. */
  batchMax: number;
  weightOf: (request: Request) => number;
  /** Requests that may wait for a later batch. */
  waitingMax: number;
}

/**
 * Group commit: one batch is under way at a time, and what arrives meanwhile becomes the next one. An idle lane commits
 * at once; nobody ever waits for a timer.
 */
export class Lane<Request, Result> {
  private waiting: { request: Request; settle: (settled: Settled<Result> | Promise<Settled<Result>>) => void }[] = [];
  private underWay = false;

  constructor(
    /** Answers as many as it was given, in their order; one that is settled later does not hold up the next batch. Never rejects. */
    private readonly commit: (batch: Request[]) => Promise<(Settled<Result> | Promise<Settled<Result>>)[]>,
    private readonly limits: LaneLimits<Request>,
  ) {}

  /** Throws `LaneFull`, at once, where too many wait already. */
  async submit(request: Request): Promise<Result> {
    if (this.waiting.length >= this.limits.waitingMax) throw new LaneFull();
    const settled = await new Promise<Settled<Result>>((settle) => {
      this.waiting.push({ request, settle });
      if (!this.underWay) void this.run();
    });
    if ('error' in settled) throw settled.error;
    return settled.result;
  }

  private async run(): Promise<void> {
    this.underWay = true;
    // Requests that were read from their sockets in the same turn of the event loop share the first batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, nextBatchSize(this.waiting, this.limits));
      const settled = await this.commit(batch.map(({ request }) => request));
      batch.forEach(({ settle }, index) => settle(settled[index]!));
    }
    this.underWay = false;
  }
}

/** How many of those that wait are committed together: at least one, however heavy. */
export function nextBatchSize<Request>(
  waiting: { request: Request }[],
  { batchMax, weightOf }: Pick<LaneLimits<Request>, 'batchMax' | 'weightOf'>,
): number {
  let weight = 0;
  const end = waiting.findIndex(({ request }) => (weight += weightOf(request)) > batchMax);
  return end === -1 ? waiting.length : Math.max(1, end);
}
