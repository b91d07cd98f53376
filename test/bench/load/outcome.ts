import { type Percentiles, percentilesOf } from '../statistics';

/** What came of a stretch of load. */
export interface LoadOutcome {
  /** Answered as expected: orders, unless it was about reads. */
  created: number;
  /** Everything else, by status or error. */
  others: Record<string, number>;
  elapsedSeconds: number;
  latencyMs: Percentiles;
}

const CREATED = 201;

/** Counts answers while they come in. */
export class Tally {
  private readonly latenciesMs: number[] = [];
  private readonly others: Record<string, number> = {};

  constructor(private readonly expectedStatus = CREATED) {}

  answered(status: number, latencyMs: number): void {
    if (status === this.expectedStatus) this.latenciesMs.push(latencyMs);
    else this.failed(String(status));
  }

  failed(how: string): void {
    this.others[how] = (this.others[how] ?? 0) + 1;
  }

  outcome(elapsedSeconds: number): LoadOutcome {
    const { latenciesMs, others } = this;
    return { created: latenciesMs.length, others, elapsedSeconds, latencyMs: percentilesOf(latenciesMs) };
  }
}
