import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { isLockTimeout } from '../../database/database-errors';
import type { Transaction } from '../../database/sql';
import { BUSY_MS_MAX } from '../stock.repository';
import { ApplyRepository } from './apply.repository';
import type { Progress } from './progress';
import { HOLDS_MAX, type StagedListing } from './settling';
import { SyncLeaseRepository } from './sync-lease.repository';
import type { SyncRunInHand } from './sync-run-in-hand';

/**
 * Products locked in one transaction: an order for one of them waits that long, and a whole batch of orders with it. With
 * 1000 the 95th percentile of orders beside a sync was 384 ms where it was 12 beside none; with 100, 37.
 */
const BATCH_ROWS = 200;
/** Staged rows looked at in one statement, and new products added in one transaction: nobody waits for those. */
const WINDOW_ROWS = 20_000;
/** A partition whose size differs by more than this share from what its statistics say is analysed. */
const GROWN_SHARE = 1 / 5;

/** A product that stays locked alone is waited for so long; those that follow it, as long as a busy one. */
const LOCK_WAIT_MS = 1000;
/** Named in the error. */
const STUCK_NAMED_MAX = 3;

/** Products that something else kept locked while all others were written. */
class StuckProducts {
  private readonly keys: string[] = [];
  private cause: unknown;

  get waitMs(): number {
    return this.keys.length === 0 ? LOCK_WAIT_MS : BUSY_MS_MAX;
  }

  note(key: string, cause: unknown): void {
    this.keys.push(key);
    this.cause = cause;
  }

  throwIfAny(): void {
    const { length } = this.keys;
    if (length === 0) return;
    const named = this.keys.slice(0, STUCK_NAMED_MAX).join(', ');
    const more = length > STUCK_NAMED_MAX ? ` and ${length - STUCK_NAMED_MAX} more` : '';
    throw new Error(`${named}${more}: locked by something else. All other numbers were applied.`, {
      cause: this.cause,
    });
  }
}

/** Writes a staged listing to the products, in bounded batches. */
@Injectable()
export class Applying {
  private readonly logger = new Logger(Applying.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly apply: ApplyRepository,
    private readonly leases: SyncLeaseRepository,
  ) {}

  /** Writes what the listing says of the SKUs it has, and settles their holds. Answers how many it wrote, and added. */
  async applyNumbers(
    run: SyncRunInHand,
    listing: StagedListing,
    progress: Progress,
  ): Promise<{ written: number; added: number }> {
    await this.forgetFormerTimes(run, listing);
    let [written, inserted] = [0, 0];
    let after = '';
    const stuck = new StuckProducts();
    for (;;) {
      const found = await run.gate.pass(() =>
        this.apply.findChanged(this.dataSource.manager, listing, after, WINDOW_ROWS),
      );
      const { until, added, changed, holds } = found;
      if (until === undefined) break;
      for (const keys of batches(changed, holds)) {
        const each = (tx: Transaction, lockedKeys: string[]) => this.apply.update(tx, listing, lockedKeys);
        for (const done of await this.writeLocked(run, listing, keys, stuck, each)) {
          await this.settleRest(run, listing, done.keys, stuck, done.result.settled);
          written += done.result.written;
          progress.noteEmptied(done.result.emptied);
        }
      }
      if (added.length > 0 && !listing.withheld.added) {
        const range = { after, until, added };
        inserted += await this.write(run, (tx) => this.apply.insert(tx, listing, range));
      }
      after = until;
      progress.changed = written + inserted;
    }
    this.warnOfEmptied(run, progress);
    stuck.throwIfAny();
    return { written: written + inserted, added: inserted };
  }

  /** Adds the SKUs of the listing that the vendor's products lack. Answers how many. */
  async addNew(run: SyncRunInHand, listing: StagedListing): Promise<number> {
    let inserted = 0;
    for (let after = ''; ;) {
      const { until, added } = await run.gate.pass(() =>
        this.apply.findChanged(this.dataSource.manager, listing, after, WINDOW_ROWS),
      );
      if (until === undefined) return inserted;
      const range = { after, until, added };
      if (added.length > 0) inserted += await this.write(run, (tx) => this.apply.insert(tx, listing, range));
      after = until;
    }
  }

  /** Takes what a complete listing lacks off sale. Answers how many were written. */
  async applyRemovals(run: SyncRunInHand, listing: StagedListing): Promise<number> {
    let written = 0;
    const stuck = new StuckProducts();
    for (let after = ''; ;) {
      const keys = await run.gate.pass(() =>
        this.apply.findMissing(this.dataSource.manager, listing, after, BATCH_ROWS),
      );
      if (keys.length === 0) break;
      written += await this.unlist(run, listing, keys, stuck);
      after = keys.at(-1)!;
    }
    const gone = await run.gate.pass(() => this.apply.findGoneWithHolds(this.dataSource.manager, listing));
    for (const keys of batches(gone)) written += await this.unlist(run, listing, keys, stuck);
    stuck.throwIfAny();
    return written;
  }

  /**
   * Forgets the times that a clock gave which an operator no longer believes, so that this listing is the newest.
   * `until`: only those of listings that were asked for until then, by our clock.
   */
  async forgetLaterTimes(run: SyncRunInHand, listing: StagedListing, until = 'infinity'): Promise<void> {
    if (listing.asOf === null) return;
    for (;;) {
      const keys = await run.gate.pass(() =>
        this.apply.findFromLater(this.dataSource.manager, listing, until, BATCH_ROWS),
      );
      if (keys.length === 0) return;
      await run.write((tx) => this.apply.forgetTime(tx, listing, keys));
    }
  }

  /** Forgets the later times of before the vendor came to its address, which are of another clock, until it was listed whole. */
  private async forgetFormerTimes(run: SyncRunInHand, listing: StagedListing): Promise<void> {
    const { addressSince, fullSyncedAt } = run.lease;
    if (addressSince !== null && fullSyncedAt === null) await this.forgetLaterTimes(run, listing, addressSince);
  }

  /** A generic plan that was made for a near-empty partition stays a sequential scan until its statistics change. */
  async refreshStatistics(run: SyncRunInHand, rowsNow: number): Promise<void> {
    const { vendorId } = run.lease.vendor;
    const known = await this.apply.statistics(this.dataSource.manager, vendorId);
    if (!known || rowsNow <= known.rows * (1 + GROWN_SHARE)) return;
    await run.gate
      .pass(() => this.apply.analyze(this.dataSource.manager, known.partition))
      .catch((error: unknown) => this.logger.warn({ err: error, vendorId }, `${known.partition} was not analysed`));
  }

  private async unlist(
    run: SyncRunInHand,
    listing: StagedListing,
    keys: string[],
    stuck: StuckProducts,
  ): Promise<number> {
    let written = 0;
    const each = (tx: Transaction, lockedKeys: string[]) => this.apply.unlist(tx, listing, lockedKeys);
    for (const done of await this.writeLocked(run, listing, keys, stuck, each)) {
      await this.settleRest(run, listing, done.keys, stuck, done.result.settled);
      written += done.result.written;
    }
    return written;
  }

  /** Of a run that breaks off here the next listing settles what is left. */
  private async settleRest(
    run: SyncRunInHand,
    listing: StagedListing,
    keys: string[],
    stuck: StuckProducts,
    before: number,
  ): Promise<void> {
    const each = (tx: Transaction, lockedKeys: string[]) => this.apply.settle(tx, listing, lockedKeys);
    for (let settled = before; settled >= HOLDS_MAX;) {
      const done = await this.writeLocked(run, listing, keys, stuck, each);
      settled = Math.max(0, ...done.map(({ result }) => result));
    }
  }

  /**
   * Locks a batch of products and writes them. Where something else has one of them, each is written by itself, so that none of
   * the others is kept locked while one is waited for; whichever stays locked is left to the next run.
   */
  private async writeLocked<Result>(
    run: SyncRunInHand,
    listing: StagedListing,
    keys: string[],
    stuck: StuckProducts,
    each: (tx: Transaction, lockedKeys: string[]) => Promise<Result>,
  ): Promise<{ keys: string[]; result: Result }[]> {
    const lockAndWrite = async (some: string[], waitMs: number) => ({
      keys: some,
      result: await this.write(run, async (tx) => each(tx, await this.apply.lock(tx, listing, some, waitMs))),
    });
    try {
      return [await lockAndWrite(keys, BUSY_MS_MAX)];
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
    }
    const done: { keys: string[]; result: Result }[] = [];
    for (const key of keys) {
      try {
        done.push(await lockAndWrite([key], stuck.waitMs));
      } catch (error) {
        if (!isLockTimeout(error)) throw error;
        stuck.note(key, error);
      }
    }
    return done;
  }

  /**
   * A run that breaks off, or is held, leaves part of its listing behind. A vendor that then lists what it listed before
   * must not answer that nothing has changed.
   */
  private write<Result>(run: SyncRunInHand, work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    return run.write(async (tx) => {
      const result = await work(tx);
      await this.leases.forgetEtag(tx, run.lease);
      return result;
    });
  }

  private warnOfEmptied({ syncRunId, lease }: SyncRunInHand, { emptied, emptiedSamples }: Progress): void {
    if (emptied === 0) return;
    const { vendorId } = lease.vendor;
    this.logger.warn(
      { vendorId, syncRunId, products: emptied, examples: emptiedSamples },
      'Stock fell to zero beyond what our own sales explain',
    );
  }
}

/** In order, each with `BATCH_ROWS` keys and `HOLDS_MAX` holds at most, unless one key has more. */
function batches(keys: string[], holds: number[] = []): string[][] {
  const found: string[][] = [];
  let holdsInLast = 0;
  for (const [index, key] of keys.entries()) {
    const last = found.at(-1);
    const more = holds[index] ?? 0;
    if (last && last.length < BATCH_ROWS && holdsInLast + more <= HOLDS_MAX) {
      last.push(key);
      holdsInLast += more;
    } else {
      found.push([key]);
      holdsInLast = more;
    }
  }
  return found;
}
