import type { DataSource } from 'typeorm';
import type { OutcomesDataSource } from '../../database/pools';
import type { Transaction } from '../../database/sql';
import type { Gate } from '../../database/gate';
import { NOTHING_WITHHELD, type StagedListing } from './settling';
import type { SyncLease, SyncLeaseRepository } from './sync-lease.repository';

/** What a vendor waits for another worker when ours has died; a heartbeat keeps the lease of one that lives. */
export const LEASE_MS = 8000;
const HEARTBEAT_MS = 2000;

/**
 * One run and its lease. All that a run writes goes through `write`, which ends every transaction by renewing the
 * lease: a worker that was frozen and wakes up writes nothing.
 */
export class SyncRunInHand {
  /** Monotonic, in milliseconds. */
  readonly startedAt = performance.now();

  constructor(
    readonly syncRunId: string,
    readonly lease: SyncLease,
    /** What all runs of a process share of the database. */
    readonly gate: Gate,
    private readonly dataSource: DataSource,
    private readonly heartbeats: OutcomesDataSource,
    private readonly leases: SyncLeaseRepository,
  ) {}

  /** A listing of these times as this run applies it. */
  listing(
    times: Pick<StagedListing, 'asOf' | 'polledAt' | 'firstPolledAt'>,
    withheld = NOTHING_WITHHELD,
  ): StagedListing {
    const { vendor, epochAt } = this.lease;
    const { vendorId, clockMarginMs, feedMaxAgeMs } = vendor;
    return { syncRunId: this.syncRunId, vendorId, clockMarginMs, feedMaxAgeMs, epochAt, withheld, ...times };
  }

  /** Throws `SyncLeaseLost`, and nothing is written. */
  write<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    return this.gate.pass(() =>
      this.dataSource.transaction(async (tx) => {
        const result = await work(tx);
        await this.leases.renew(tx, this.lease, LEASE_MS);
        return result;
      }),
    );
  }

  /** Keeps the lease while the work is under way, also where it waits for the vendor. */
  async whileKept<Result>(work: () => Promise<Result>): Promise<Result> {
    // One that fails is not the end: the run itself finds out whether the lease is still its own.
    const beat = () => void this.leases.renew(this.heartbeats.manager, this.lease, LEASE_MS).catch(() => undefined);
    const heartbeat = setInterval(beat, HEARTBEAT_MS);
    return work().finally(() => clearInterval(heartbeat));
  }
}
