import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { LeaseRepository } from '../../database/lease.repository';
import type { Agent } from '../../lifecycle/agents';
import { type Loop, Loops } from '../../lifecycle/loop';
import { DeadLetterRepository } from '../../messaging/dead-letters/dead-letter.repository';
import { CaseRepository } from './case.repository';
import { FailureRepository } from './failure.repository';
import { Reconciliation } from './reconciliation';
import { RunRepository } from './run.repository';

/** Every vendor is reconciled with so often by itself. */
const RECONCILE_EVERY_MS = 3_600_000;
/** How soon an order that waits for an operator has its case, and one that no longer does has neither that nor a dead letter. */
const ATTEND_EVERY_MS = 15_000;
/** How soon a run that somebody asked for is begun. */
const LOOK_EVERY_MS = 1000;
/** Vendors one worker reconciles with at once. Most of it is waiting for the vendor. */
const PARTS_MAX = 4;

/** Reconciles with every vendor every hour, whenever somebody asks for it, and soon after an order begins to wait for an operator. */
@Injectable()
export class Reconciler implements Agent {
  private readonly loop: Loop;
  private readonly underWay = new Set<Promise<void>>();
  private stopping = new AbortController();

  constructor(
    private readonly dataSource: DataSource,
    private readonly leases: LeaseRepository,
    private readonly runs: RunRepository,
    private readonly cases: CaseRepository,
    private readonly failures: FailureRepository,
    private readonly deadLetters: DeadLetterRepository,
    private readonly reconciliation: Reconciliation,
    loops: Loops,
  ) {
    this.loop = loops.of('reconciliation', async () => {
      await this.scheduleDue();
      await this.startWaiting();
      return LOOK_EVERY_MS;
    });
  }

  start(): void {
    this.stopping = new AbortController();
    this.loop.start();
  }

  /** Breaks parts off, for other workers to take. */
  async stop(): Promise<void> {
    // First: where many parts wait, a turn would take one more for ever.
    this.stopping.abort();
    await this.loop.stop();
    await Promise.all(this.underWay);
  }

  /** Asks for the runs that nobody asks for. */
  async scheduleDue(): Promise<void> {
    if (await this.leases.take(this.dataSource.manager, 'reconcile', RECONCILE_EVERY_MS)) {
      await this.dataSource.transaction((tx) => this.runs.schedule(tx));
      await this.cases.forgetGone(this.dataSource.manager);
      await this.failures.forgetOld(this.dataSource.manager);
    }
    if (await this.leases.take(this.dataSource.manager, 'attend', ATTEND_EVERY_MS)) {
      await this.dataSource.transaction((tx) => this.runs.attend(tx));
      await this.dataSource.transaction((tx) => this.runs.goOn(tx));
      await this.cases.closeDecided(this.dataSource.manager);
      await this.deadLetters.dismissDecided(this.dataSource.manager);
    }
  }

  /** Takes what waits, as far as there is room. */
  private async startWaiting(): Promise<void> {
    while (this.underWay.size < PARTS_MAX && !this.stopping.signal.aborted) {
      const claim = await this.reconciliation.claim();
      if (!claim) return;
      const run = this.reconciliation.run(claim, this.stopping.signal).finally(() => this.underWay.delete(run));
      this.underWay.add(run);
    }
  }
}
