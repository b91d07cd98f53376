import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../database/sql';
import { UUID } from '../../http/rules';
import { NO_MARKS } from '../../vendors/vendor-adapter';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { Applying } from './applying';
import { Gate } from './gate';
import { offsetMs } from './judge';
import { Progress } from './progress';
import { StagingRepository } from './staging.repository';
import { SyncLeaseLost, SyncLeaseRepository } from './sync-lease.repository';
import { LEASE_MS, SyncRunInHand } from './sync-run-in-hand';
import type { SyncRun } from './sync-run';
import { SyncRunQueries } from './sync-run-queries';
import { type Decided, type HeldRun, SyncRunRepository } from './sync-run.repository';
import { SyncNotHeld, SyncRunNotFound, SyncSuperseded } from './sync.errors';

/** Decisions of a process that use the database at once. */
const DECISIONS_MAX = 1;

/**
 * An operator's decision about a held run. Accepting takes the vendor from whoever syncs it, so that nothing is applied
 * beside it; that run is lost, and the vendor is polled again at once.
 */
@Injectable()
export class Decision {
  private readonly logger = new Logger(Decision.name);
  private readonly gate = new Gate(DECISIONS_MAX);

  constructor(
    private readonly dataSource: DataSource,
    private readonly registry: VendorRegistry,
    private readonly leases: SyncLeaseRepository,
    private readonly runs: SyncRunRepository,
    private readonly staged: StagingRepository,
    private readonly applying: Applying,
    private readonly queries: SyncRunQueries,
  ) {}

  /**
   * Applies what was held: the removals, or for `CLOCK` the whole listing. Throws `VendorNotFound`, `SyncRunNotFound`,
   * `SyncNotHeld`, `SyncSuperseded`.
   */
  async accept(vendorId: string, syncRunId: string, decided: Decided): Promise<SyncRun> {
    await this.registry.get(vendorId);
    await this.seeThatNothingIsLost(vendorId, syncRunId);
    const { run, held } = await this.dataSource.transaction(async (tx) => {
      const waiting = await this.held(tx, vendorId, syncRunId);
      await this.runs.resume(tx, syncRunId, decided);
      const lease = await this.leases.seize(tx, vendorId, LEASE_MS);
      // What another address listed is not what this one has.
      if (!lease.addressEpochs.includes(waiting.addressEpoch)) throw new SyncSuperseded(syncRunId);
      const epochAt = waiting.heldFor === 'CLOCK' ? await this.leases.beginEpoch(tx, lease) : lease.epochAt;
      const seized = { ...lease, polledAt: waiting.polledAt, epochAt };
      return { run: new SyncRunInHand(syncRunId, seized, this.gate, this.dataSource, this.leases), held: waiting };
    });
    try {
      await run.whileKept(() => this.apply(run, held));
    } catch (error) {
      if (!(error instanceof SyncLeaseLost)) await this.runs.holdAgain(this.dataSource.manager, syncRunId);
      throw error;
    } finally {
      await this.leases.release(this.dataSource.manager, run.lease, 0);
    }
    this.logger.warn({ vendorId, syncRunId, ...decided }, 'A held stock sync was accepted');
    return this.queries.get(vendorId, syncRunId);
  }

  /** Throws as `accept` does. */
  async reject(vendorId: string, syncRunId: string, decided: Decided): Promise<SyncRun> {
    await this.registry.get(vendorId);
    await this.dataSource.transaction(async (tx) => {
      await this.held(tx, vendorId, syncRunId);
      await this.runs.reject(tx, syncRunId, decided);
    });
    this.logger.warn({ vendorId, syncRunId, ...decided }, 'A held stock sync was rejected');
    return this.queries.get(vendorId, syncRunId);
  }

  private async held(tx: Transaction, vendorId: string, syncRunId: string): Promise<HeldRun> {
    const found = UUID.test(syncRunId) ? await this.runs.lockForDecision(tx, vendorId, syncRunId) : undefined;
    if (!found) throw new SyncRunNotFound(vendorId, syncRunId);
    if (found.status === 'superseded') throw new SyncSuperseded(syncRunId);
    if (found.status !== 'held') throw new SyncNotHeld(syncRunId, found.status);
    return found.held;
  }

  /** Applied without its rows, a listing would take the whole catalogue off sale. */
  private async seeThatNothingIsLost(vendorId: string, syncRunId: string): Promise<void> {
    const on = this.dataSource.manager;
    const held = await this.runs.held(on, vendorId);
    if (held?.syncRunId !== syncRunId || (await this.staged.isIntact(on, syncRunId, held.staged))) return;
    await this.runs.supersedeLost(on, syncRunId);
  }

  private async apply(run: SyncRunInHand, held: HeldRun): Promise<void> {
    const { kind, asOf, heldFor, polledAt } = held;
    const { vendorId } = run.lease.vendor;
    const firstPolledAt = await this.runs.firstPolledAt(this.dataSource.manager, vendorId, asOf, polledAt);
    const listing = run.listing({ asOf, polledAt, firstPolledAt });
    const progress = new Progress(kind);
    let written = 0;
    if (heldFor === 'CLOCK') {
      await this.applying.forgetLaterTimes(run, listing);
      written += (await this.applying.applyNumbers(run, listing, progress)).written;
    }
    if (kind === 'full') written += await this.applying.applyRemovals(run, listing);
    await run.write(async (tx) => {
      await this.runs.conclude(tx, run.syncRunId, written);
      const clockOffsetMs = asOf === null ? null : offsetMs(asOf, polledAt);
      // The next poll asks for everything: what was learnt before may be of another clock.
      const picture = {
        kind,
        asOf,
        firstPolledAt,
        timeBelieved: heldFor === 'CLOCK',
        clockOffsetMs,
        marks: NO_MARKS,
      };
      await this.leases.complete(tx, run.lease, picture);
    });
  }
}
