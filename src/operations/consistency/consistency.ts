import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type Count, CountRepository } from './count.repository';
import { Counting } from './counting';
import type { Violation } from './invariants';
import { lostBefore } from './lost-messages';

/** Somebody waits for the answer, so it does not rest; a million products and a million orders take some seconds. */
const FRESH = { msMax: 30_000, restFactor: 0 };

/** An older count is not answered. */
const AGE_MS_MAX = 60_000;

/** Whether our books add up, as it is answered. */
export interface ConsistencyState {
  ok: boolean;
  /** ISO 8601 UTC, by our clock: when the count began. */
  checkedAt: string;
  /** How many there are; the first hundred are listed. */
  violationCount: number;
  violations: Violation[];
}

/** Answers what was counted last, or counts everything now. */
@Injectable()
export class Consistency {
  private counting: Promise<Count> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly counts: CountRepository,
    private readonly counter: Counting,
  ) {}

  /** Of the last count; where that is older than a minute, as without a worker, everything is counted now. Throws `CountTookTooLong`. */
  async last(): Promise<ConsistencyState> {
    const last = await this.counts.last(this.dataSource.manager);
    return last && last.ageMs <= AGE_MS_MAX ? stateOf(last) : this.fresh();
  }

  /** Counts everything now, once for all who ask meanwhile. Throws `CountTookTooLong`. */
  async fresh(): Promise<ConsistencyState> {
    this.counting ??= this.count().finally(() => (this.counting = undefined));
    return stateOf(await this.counting);
  }

  /** Messages are with the broker, which only workers can ask: what they counted last is taken over. */
  private async count(): Promise<Count> {
    const on = this.dataSource.manager;
    const before = (await this.counts.last(on))?.violations ?? [];
    const checkedAt = await this.counts.now(on);
    const found = await this.counter.everything(FRESH);
    found.add(lostBefore(before));
    const { total, listed } = found.all;
    await this.counts.store(on, 'everything', checkedAt, found.all);
    return { checkedAt, ageMs: 0, violationCount: total, violations: listed };
  }
}

function stateOf({ checkedAt, violationCount, violations }: Count): ConsistencyState {
  return { ok: violationCount === 0, checkedAt: checkedAt.toISOString(), violationCount, violations };
}
