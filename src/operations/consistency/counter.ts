import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { LeaseRepository } from '../../database/lease.repository';
import { passesAtOnce, patiently } from '../../database/patiently';
import type { Agent } from '../../lifecycle/agents';
import { type Loop, Loops } from '../../lifecycle/loop';
import { type Count, type CountScope, CountRepository } from './count.repository';
import { Counting } from './counting';
import type { Violation } from './invariants';
import { LostMessages } from './lost-messages';
import type { ViolationList, Violations } from './violation-list';

/** With the time that it takes, up to 25 s, the last count of what is recent is never older than a minute. */
const EVERY_MS = { recent: 30_000, everything: 3_600_000 };
/** How often a worker looks whether a count is due. */
const LOOK_EVERY_MS = 5000;
/** A count works a tenth of its time: what else the database does hardly notices. */
const PACES = {
  recent: { msMax: 30_000, restFactor: 9 },
  everything: { msMax: 600_000, restFactor: 9 },
};
/** Before one whose connection was lost is begun again; where that takes minutes, when it would have been over. */
const AGAIN_AFTER_MS: Record<CountScope, number[]> = { recent: [500, 1000, 2000, 4000, 8000], everything: [] };

/** Counts the invariants again and again, one worker for all: what is recent twice a minute, everything every hour. */
@Injectable()
export class Counter implements Agent {
  private readonly logger = new Logger(Counter.name);
  private readonly loop: Loop;
  private readonly underWay = new Map<CountScope, Promise<void>>();
  private stopping = new AbortController();

  constructor(
    private readonly dataSource: DataSource,
    private readonly leases: LeaseRepository,
    private readonly counts: CountRepository,
    private readonly counting: Counting,
    private readonly lost: LostMessages,
    loops: Loops,
  ) {
    this.loop = loops.of('consistency', () => this.startDue());
  }

  start(): void {
    this.stopping = new AbortController();
    this.loop.start();
  }

  /** Breaks counts off: they are made again when they are next due. */
  async stop(): Promise<void> {
    await this.loop.stop();
    this.stopping.abort();
    await Promise.all(this.underWay.values());
  }

  /** Counts take longer than a loop's turn may. */
  private async startDue(): Promise<number> {
    for (const [scope, everyMs] of Object.entries(EVERY_MS) as [CountScope, number][]) {
      if (this.underWay.has(scope)) continue;
      const [lease, forMs] = [`consistency-${scope}`, Math.min(everyMs, PACES[scope].msMax)];
      if (!(await this.leases.take(this.dataSource.manager, lease, forMs))) continue;
      // One that is broken off, or whose process is killed, is due again once it would have been over.
      const { signal } = this.stopping;
      const count = patiently(() => this.runOnce(scope), AGAIN_AFTER_MS[scope], passesAtOnce, signal)
        .then(() => this.leases.prolong(this.dataSource.manager, lease, everyMs - forMs))
        .catch(
          (error: unknown) => this.stopping.signal.aborted || this.logger.warn({ err: error, scope }, 'Not counted'),
        )
        .then(() => void this.underWay.delete(scope));
      this.underWay.set(scope, count);
    }
    return LOOK_EVERY_MS;
  }

  async runOnce(scope: CountScope): Promise<void> {
    const on = this.dataSource.manager;
    const before = (await this.counts.last(on))?.violations ?? [];
    const everything = await this.counts.last(on, 'everything');
    const checkedAt = await this.counts.now(on);
    // A count of everything takes a minute, so one of what is recent began later, and knows nothing of what it has named.
    const found = await this.count(scope, [...before, ...(everything?.violations ?? [])]);
    found.add(await this.lost.violations(before));
    if (scope === 'recent') found.add(unlistedOf(everything));
    const { total, listed } = found.all;
    await this.counts.store(on, scope, checkedAt, found.all);
    if (total > 0) this.logger.error({ scope, violations: total, first: listed[0] }, 'Our books do not add up');
  }

  private count(scope: CountScope, named: Violation[]): Promise<ViolationList> {
    const pace = { ...PACES[scope], signal: this.stopping.signal };
    return scope === 'recent' ? this.counting.recent(named, pace) : this.counting.everything(pace);
  }
}

/** Those that the last count of everything had only counted are looked at again by its next one; until then they count. */
function unlistedOf(everything: Count | undefined): Violations {
  return { total: everything ? everything.violationCount - everything.violations.length : 0, listed: [] };
}
