import type { DataSource } from 'typeorm';
import type { OutcomesDataSource } from '../../database/pools';
import type { Transaction } from '../../database/sql';
import type { Filed } from './case.repository';
import type { Finding } from './case';
import type { FailedComparison, FoundDifference } from './run';
import type { ClaimedPart, PartProgress, PartRepository } from './part.repository';

/** What a vendor's reconciliation waits for another worker when ours has died; a heartbeat keeps the part of one that lives. */
export const PART_LEASE_MS = 20_000;
const HEARTBEAT_MS = 5000;
/** Of a part's differences so many are told with it; each has its case all the same, but for a dry run. */
const FINDINGS_TOLD_MAX = 100;

/** Of the comparisons that failed, so many. */
const FAILURES_TOLD_MAX = 10;

/**
 * One part and its lease. All that a part writes goes through `write`, which ends every transaction by renewing the lease: a
 * worker that was frozen and wakes up writes nothing.
 */
export class PartInHand {
  readonly progress: PartProgress = {
    compared: 0,
    found: 0,
    opened: 0,
    closed: 0,
    failed: 0,
    skipped: 0,
    listed: 0,
    notOurs: 0,
    findings: [],
    failures: [],
  };
  /** Why not everything could be compared, the first reason. A sentence. */
  shortfall: string | undefined;
  /** It ended at a limit of its own, and the vendor could be asked on: the next run need not wait for its hour. */
  toGoOn = false;
  /** Orders of the vendor's list that are unknown here and were looked up. */
  forgotten = 0;

  constructor(
    readonly claim: ClaimedPart,
    private readonly dataSource: DataSource,
    private readonly heartbeats: OutcomesDataSource,
    private readonly parts: PartRepository,
  ) {}

  /** Throws `PartLost`, and nothing is written. */
  write<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    return this.dataSource.transaction(async (tx) => {
      const result = await work(tx);
      await this.parts.renew(tx, this.claim, PART_LEASE_MS, this.progress);
      return result;
    });
  }

  /** Keeps the lease while the work is under way, also where it waits for the vendor. */
  async whileKept<Result>(work: () => Promise<Result>): Promise<Result> {
    // One that fails is not the end: the part itself finds out whether the lease is still its own.
    const beat = () =>
      void this.parts.renew(this.heartbeats.manager, this.claim, PART_LEASE_MS, this.progress).catch(() => undefined);
    const heartbeat = setInterval(beat, HEARTBEAT_MS);
    return work().finally(() => clearInterval(heartbeat));
  }

  tell({ kind, orderId, productId }: Finding, filed: Filed): void {
    const { progress } = this;
    if (filed !== 'dismissed') progress.found += 1;
    if (filed === 'opened') progress.opened += 1;
    const told: FoundDifference = { kind, orderId, productId, case: filed };
    if (progress.findings.length < FINDINGS_TOLD_MAX) progress.findings.push(told);
  }

  tellFailed(failure: FailedComparison): void {
    const { failures } = this.progress;
    this.progress.failed += 1;
    if (failures.length < FAILURES_TOLD_MAX) failures.push(failure);
  }

  /** What an operator should know of a part that ended by itself. Sentences, or null where everything was compared. */
  get note(): string | null {
    const { failed, failures } = this.progress;
    const sentences = this.shortfall === undefined ? [] : [this.shortfall];
    if (failed > 0) {
      const [{ orderId, reason }] = failures as [FailedComparison];
      sentences.push(`${failed} could not be compared, and will be tried again: the first is ${orderId} (${reason}).`);
    }
    return sentences.length === 0 ? null : sentences.join(' ');
  }

  fallShort(why: string): void {
    this.shortfall ??= why;
  }
}
