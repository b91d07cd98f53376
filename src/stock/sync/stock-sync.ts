import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { newId } from '../../database/new-id';
import { type ListedRow, VendorCallFailed } from '../../vendors/vendor-adapter';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { ApplyRepository, type StagedListing } from './apply.repository';
import { clockProblem, offsetMs, removalProblem } from './judge';
import { checkRow, type StockRow } from './listing-row';
import { StagingRepository } from './staging.repository';
import { type SyncLease, SyncLeaseRepository } from './sync-lease.repository';
import { type SyncCounts, type SyncResult, SyncRunRepository } from './sync-run.repository';

/** Products written in one transaction: long enough to be fast, short enough that an order hardly waits. */
const BATCH_ROWS = 1000;
/** What a vendor waits for another worker when ours has died; a heartbeat keeps the lease of one that lives. */
const LEASE_MS = 8000;
const HEARTBEAT_MS = 2000;
/** Of the rejected rows, so many are named in the run's error. */
const REJECTED_SAMPLES = 3;

/** Progress of one run, filled in as it goes. */
type Progress = SyncCounts & { asOf: Date | null; samples: string[] };

/** One sync of one vendor: poll, stage, judge, apply. */
@Injectable()
export class StockSync {
  private readonly logger = new Logger(StockSync.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly registry: VendorRegistry,
    private readonly leases: SyncLeaseRepository,
    private readonly runs: SyncRunRepository,
    private readonly staging: StagingRepository,
    private readonly apply: ApplyRepository,
  ) {}

  /** Takes the lease of a vendor that is due, if there is one. */
  takeDue(): Promise<SyncLease | undefined> {
    return this.leases.takeDue(this.dataSource.manager, LEASE_MS);
  }

  /** Runs the sync to its end and records how it went. Throws only when the database fails or the lease is lost. */
  async run(lease: SyncLease, signal: AbortSignal): Promise<SyncResult> {
    const syncRunId = newId();
    const { vendorId } = lease.vendor;
    await this.dataSource.transaction(async (tx) => {
      await this.runs.open(tx, syncRunId, vendorId);
      await this.leases.renew(tx, lease, LEASE_MS);
    });
    const progress: Progress = { asOf: null, seen: 0, changed: 0, unchanged: 0, missing: 0, rejected: 0, samples: [] };
    const heartbeat = setInterval(() => void this.keep(lease), HEARTBEAT_MS);
    const result = await this.attempt(lease, syncRunId, progress, signal).finally(() => clearInterval(heartbeat));
    await this.runs.close(this.dataSource.manager, syncRunId, result);
    await this.staging.clear(this.dataSource.manager, syncRunId);
    const level = result.status === 'succeeded' ? 'debug' : 'warn';
    this.logger[level]({ vendorId, syncRunId, ...result }, `Stock sync ${result.status}`);
    return result;
  }

  /** Gives the vendor back; it is due again after the delay. */
  release(lease: SyncLease, delayMs: number): Promise<void> {
    return this.leases.release(this.dataSource.manager, lease, delayMs);
  }

  /** A heartbeat that fails is not the end: the run itself finds out whether the lease is still ours. */
  private async keep(lease: SyncLease): Promise<void> {
    await this.leases.renew(this.dataSource.manager, lease, LEASE_MS).catch((error: unknown) => {
      this.logger.debug({ err: error, vendorId: lease.vendor.vendorId }, 'A heartbeat of a stock sync failed');
    });
  }

  private async attempt(
    lease: SyncLease,
    syncRunId: string,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<SyncResult> {
    try {
      await this.stage(lease, syncRunId, progress, signal);
      const problem = await this.judgeAndApply(lease, syncRunId, progress);
      return resultOf(progress, problem === undefined ? 'succeeded' : 'held', problem);
    } catch (error) {
      this.logger.debug({ err: error, vendorId: lease.vendor.vendorId }, 'Stock sync broke off');
      return resultOf(progress, 'failed', (error as Error).message);
    }
  }

  private async stage(lease: SyncLease, syncRunId: string, progress: Progress, signal: AbortSignal): Promise<void> {
    const marks = { position: null, etag: null };
    const poll = await this.registry.adapterOf(lease.vendor).poll(lease.vendor, { kind: 'full', marks, signal });
    if (poll.outcome === 'unchanged') throw new VendorCallFailed('stock: answered 304 to a request without an etag');
    progress.asOf = poll.asOf;
    for await (const page of poll.pages) {
      const accepted = checkPage(page, progress);
      await this.dataSource.transaction(async (tx) => {
        await this.staging.stage(tx, syncRunId, lease.vendor.vendorId, accepted);
        await this.leases.renew(tx, lease, LEASE_MS);
      });
    }
  }

  /** Applies what may be applied, and answers why the rest was held. */
  private async judgeAndApply(lease: SyncLease, syncRunId: string, progress: Progress): Promise<string | undefined> {
    const { vendor, polledAt } = lease;
    const asOf = progress.asOf!;
    const clock = clockProblem({ ...lease, asOf });
    if (clock !== undefined) return clock;
    const listing: StagedListing = {
      syncRunId,
      vendorId: vendor.vendorId,
      asOf,
      clockMarginMs: vendor.clockMarginMs,
      polledAt,
    };
    const counts = await this.staging.count(this.dataSource.manager, syncRunId, vendor.vendorId);
    progress.missing = counts.missing;
    const changed = await this.applyChanged(lease, listing);
    const removal = removalProblem(counts);
    if (removal === undefined) {
      progress.changed = changed + (await this.applyMissing(lease, listing));
      await this.dataSource.transaction(async (tx) => {
        await this.leases.confirm(tx, lease, asOf, offsetMs(asOf, polledAt));
        await this.leases.renew(tx, lease, LEASE_MS);
      });
    } else {
      // The listing did not speak for every product, so it does not become the picture that late answers settle by.
      progress.changed = changed;
    }
    progress.unchanged = Math.max(0, counts.staged - changed);
    return removal;
  }

  private async applyChanged(lease: SyncLease, listing: StagedListing): Promise<number> {
    let written = 0;
    let after = '';
    for (;;) {
      const keys = await this.apply.findChanged(this.dataSource.manager, listing, after, BATCH_ROWS);
      if (keys.length === 0) return written;
      written += await this.dataSource.transaction(async (tx) => {
        const locked = await this.apply.lock(tx, listing, keys);
        const updated = await this.apply.update(tx, listing, locked);
        const inserted = await this.apply.insert(tx, listing, keys);
        await this.leases.renew(tx, lease, LEASE_MS);
        return updated + inserted;
      });
      after = keys.at(-1)!;
    }
  }

  private async applyMissing(lease: SyncLease, listing: StagedListing): Promise<number> {
    let written = 0;
    for (;;) {
      const keys = await this.apply.findMissing(this.dataSource.manager, listing, BATCH_ROWS);
      const unlisted = await this.dataSource.transaction(async (tx) => {
        const count = await this.apply.unlist(tx, listing, await this.apply.lock(tx, listing, keys));
        await this.leases.renew(tx, lease, LEASE_MS);
        return count;
      });
      if (unlisted === 0) return written;
      written += unlisted;
    }
  }
}

function checkPage(page: ListedRow[], progress: Progress): StockRow[] {
  const accepted: StockRow[] = [];
  for (const listed of page) {
    const checked = checkRow(listed);
    if ('rejected' in checked) {
      progress.rejected += 1;
      if (progress.samples.length < REJECTED_SAMPLES) progress.samples.push(checked.rejected);
    } else {
      accepted.push(checked);
    }
  }
  progress.seen += page.length;
  return accepted;
}

function resultOf(progress: Progress, status: SyncResult['status'], problem: string | undefined): SyncResult {
  const { samples, ...counts } = progress;
  const sentences = [...(problem === undefined ? [] : [problem]), ...samples];
  return { ...counts, status, error: sentences.length === 0 ? null : sentences.join('; ') };
}
