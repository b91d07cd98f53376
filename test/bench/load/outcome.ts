import { type Percentiles, percentilesOf } from '../statistics';

/** What came of a stretch of load. */
export interface LoadOutcome {
  created: number;
  /** Everything that was not a 201, by status or error. */
  others: Record<string, number>;
  elapsedSeconds: number;
  latencyMs: Percentiles;
}

const CREATED = 201;

/** Counts answers while they come in. */
export class Tally {
  private readonly latenciesMs: number[] = [];
  private readonly others: Record<string, number> = {};

  answered(status: number, latencyMs: number): void {
    if (status === CREATED) this.latenciesMs.push(latencyMs);
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
