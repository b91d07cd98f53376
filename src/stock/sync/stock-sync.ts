import { Injectable, Logger } from '@nestjs/common';
import type { Span } from '@opentelemetry/api';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import { newId } from '../../database/new-id';
import { OutcomesDataSource } from '../../database/pools';
import { failed, inSpan, traceIdOf, traceparentBelow } from '../../observability/spans';
import { Breaker } from '../../vendors/breaker/breaker';
import { healthAfterPoll } from '../../vendors/breaker/call-health';
import { type Listing, NO_MARKS, type PollMarks, VendorCallFailed } from '../../vendors/vendor-adapter';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { Applying } from './applying';
import { Gate } from '../../database/gate';
import { Holding } from './holding';
import { clockProblem, limitProblem, offsetMs, priceProblem, removalProblem } from './judge';
import { planPoll } from './poll-plan';
import { Progress } from './progress';
import { orAborted, Staging } from './staging';
import { ListingLost, StagingRepository } from './staging.repository';
import { type SyncLease, SyncLeaseLost, SyncLeaseRepository } from './sync-lease.repository';
import type { StagedListing } from './settling';
import type { SyncResult, SyncTrigger } from './sync-run';
import { LEASE_MS, SyncRunInHand } from './sync-run-in-hand';
import { SyncRunRepository } from './sync-run.repository';
import { WithheldRepository } from './withheld.repository';

/** A whole run: the vendor may have millions of rows, and be slow; one that takes longer is ended and polled again. */
export const RUN_MS_MAX = 10 * 60_000;
/** Runs of a process that use the database at once: the others wait for their vendors, which costs nothing. */
const DATABASE_RUNS_MAX = 3;
/** What the signals of a run say, in an operator's words. */
const ENDED_FROM_OUTSIDE: ReadonlyMap<string, string> = new Map([
  ['TimeoutError', 'the sync took too long and was ended'],
  ['AbortError', 'the worker was stopped before the sync was done'],
]);

/** One sync of one vendor: poll, stage, judge, apply. */
@Injectable()
export class StockSync {
  private readonly logger = new Logger(StockSync.name);
  private readonly gate = new Gate(DATABASE_RUNS_MAX);

  constructor(
    private readonly dataSource: DataSource,
    private readonly heartbeats: OutcomesDataSource,
    private readonly registry: VendorRegistry,
    private readonly config: Config,
    private readonly leases: SyncLeaseRepository,
    private readonly runs: SyncRunRepository,
    private readonly staged: StagingRepository,
    private readonly staging: Staging,
    private readonly applying: Applying,
    private readonly holding: Holding,
    private readonly withheld: WithheldRepository,
    private readonly breaker: Breaker,
  ) {}

  /** Takes the lease of a vendor that is due, if there is one; `suspects`: also one whose last poll failed; `slow`: also one whose last took long. */
  takeDue({ suspects = true, slow = true } = {}): Promise<SyncLease | undefined> {
    const { stockSyncIntervalMs: intervalMsDefault } = this.config;
    return this.leases.takeDue(this.dataSource.manager, { leaseMs: LEASE_MS, intervalMsDefault, suspects, slow });
  }

  /** Runs the sync to its end and records how it went. Throws only when the database fails or the lease is lost. */
  run(lease: SyncLease, signal: AbortSignal, msMax = RUN_MS_MAX): Promise<SyncResult> {
    return inSpan(`sync ${lease.vendor.vendorId}`, { parent: null }, async (span) => {
      const { run, trigger } = await this.open(lease);
      const ends = AbortSignal.any([signal, AbortSignal.timeout(msMax)]);
      const result = await run.whileKept(() => this.attempt(run, trigger, ends));
      this.tell(span, run, result);
      await this.tidy();
      return result;
    });
  }

  /** Gives the vendor back; it is due again after the delay. */
  release(lease: SyncLease, delayMs: number, tookLong?: boolean): Promise<void> {
    return this.leases.release(this.dataSource.manager, lease, delayMs, tookLong);
  }

  private tell(span: Span, { syncRunId, lease }: SyncRunInHand, result: SyncResult): void {
    const { status, kind, seen, changed, rejected, error } = result;
    const { vendorId } = lease.vendor;
    const traceId = traceIdOf(traceparentBelow(span, null));
    const level = status === 'succeeded' ? 'debug' : 'warn';
    this.logger[level]({ vendorId, syncRunId, traceId, ...result }, `Stock sync ${status}`);
    span.setAttributes({
      'holdfast.vendor.id': vendorId,
      'holdfast.sync.run.id': syncRunId,
      'holdfast.sync.kind': kind,
      'holdfast.sync.status': status,
      'holdfast.sync.rows.seen': seen,
      'holdfast.sync.rows.changed': changed,
      'holdfast.sync.rows.rejected': rejected,
    });
    if (status === 'failed') failed(span, new Error(error ?? status));
  }

  private async open(lease: SyncLease): Promise<{ run: SyncRunInHand; trigger: SyncTrigger }> {
    const opened = await this.dataSource.transaction(async (tx) => {
      const { polledAt, vendor, addressEpochs } = lease;
      const asked = { vendorId: vendor.vendorId, polledAt };
      const run = await this.runs.open(tx, newId(), addressEpochs[0]!, asked);
      await this.leases.renew(tx, lease, LEASE_MS);
      return run;
    });
    const known = { ...lease, hasHeldRun: lease.hasHeldRun || opened.heldAgain };
    const run = new SyncRunInHand(opened.syncRunId, known, this.gate, this.dataSource, this.heartbeats, this.leases);
    return { run, trigger: opened.trigger };
  }

  private async attempt(run: SyncRunInHand, trigger: SyncTrigger, signal: AbortSignal): Promise<SyncResult> {
    const { lease } = run;
    const plan = planPoll({
      ...lease,
      intervalMs: lease.vendor.syncIntervalMs ?? this.config.stockSyncIntervalMs,
      fullSyncIntervalMs: lease.vendor.fullSyncIntervalMs,
      manual: trigger === 'manual',
    });
    const progress = new Progress(plan.kind);
    try {
      const adapter = this.registry.adapterOf(lease.vendor);
      const poll = await orAborted(signal, () => adapter.poll(lease.vendor, { ...plan, signal }));
      if (poll.outcome === 'unchanged') return await this.confirm(run, progress, plan.marks);
      progress.kind = poll.kind;
      progress.asOf = poll.asOf;
      progress.rowsExpected = poll.rowsExpected;
      await this.staging.stage(run, poll, progress, signal);
      await this.breaker.note(lease.leave, 'well');
      return await this.judgeAndApply(run, poll, progress);
    } catch (error) {
      this.logger.debug({ err: error, vendorId: lease.vendor.vendorId }, 'Stock sync broke off');
      return this.fail(run, progress, error as Error);
    }
  }

  /** A vendor that says that nothing has changed settles nothing: what it listed before says nothing of later orders. */
  private async confirm(run: SyncRunInHand, progress: Progress, { etag }: PollMarks): Promise<SyncResult> {
    if (etag === null) throw new VendorCallFailed('stock: answered 304 to a request without an etag');
    await this.breaker.note(run.lease.leave, 'well');
    return run.write(async (tx) => {
      const result = progress.result('succeeded');
      await this.runs.close(tx, run.syncRunId, result);
      await this.leases.confirm(tx, run.lease);
      return result;
    });
  }

  private async fail(run: SyncRunInHand, progress: Progress, error: Error): Promise<SyncResult> {
    await this.breaker.note(run.lease.leave, healthAfterPoll(error));
    const result = progress.result('failed', ENDED_FROM_OUTSIDE.get(error.name) ?? error.message);
    await this.runs.close(this.dataSource.manager, run.syncRunId, result);
    if (!(error instanceof SyncLeaseLost)) await this.leases.fail(this.dataSource.manager, run.lease);
    return result;
  }

  /** What cannot be dropped now is dropped by the next run. */
  private async tidy(): Promise<void> {
    await this.staged.clear(this.dataSource.manager).catch((error: unknown) => {
      this.logger.debug({ err: error }, 'A staged listing could not be dropped');
    });
  }

  /** Applies what may be applied, and holds the rest for an operator. */
  private async judgeAndApply(run: SyncRunInHand, poll: Listing, progress: Progress): Promise<SyncResult> {
    const { lease } = run;
    const { vendorId } = lease.vendor;
    const counts = await this.gate.pass(() => this.staged.count(this.dataSource.manager, run.syncRunId, vendorId));
    if (poll.kind === 'full') progress.missing = counts.missing;
    const clock = clockProblem({ ...lease, asOf: poll.asOf });
    const prices = priceProblem(counts);
    const limit = limitProblem({ ...counts, productsMax: lease.vendor.productsMax });
    const removal = poll.kind === 'full' ? removalProblem({ ...counts, ...progress }) : undefined;
    const [first, ...others] = [clock, removal, prices, limit].filter((problem) => problem !== undefined);
    if (clock) return this.holding.hold(run, progress, [clock, ...others], counts.staged);
    const withheld = { prices: prices !== undefined, added: limit !== undefined };
    const listing = await this.listingOf(run, poll.asOf, withheld);
    const { written, added } = await this.applying.applyNumbers(run, listing, progress);
    progress.unchanged = Math.max(0, counts.staged - written);
    if (first) return this.holding.hold(run, progress, [first, ...others], counts.staged);
    if (!(await run.gate.pass(() => this.staged.isIntact(this.dataSource.manager, run.syncRunId, counts.staged))))
      throw new ListingLost();
    if (poll.kind === 'full') progress.changed = written + (await this.applying.applyRemovals(run, listing));
    await this.applying.refreshStatistics(run, counts.known + added);
    return this.complete(run, poll, listing, progress);
  }

  private async listingOf(
    run: SyncRunInHand,
    asOf: Date | null,
    withheld: StagedListing['withheld'],
  ): Promise<StagedListing> {
    const { polledAt, vendor } = run.lease;
    const firstPolledAt = await this.runs.firstPolledAt(this.dataSource.manager, vendor.vendorId, asOf, polledAt);
    return run.listing({ asOf, polledAt, firstPolledAt }, withheld);
  }

  /** The picture is complete, and says so, in one transaction with the marks that the next poll goes on from. */
  private async complete(
    run: SyncRunInHand,
    poll: Listing,
    { firstPolledAt }: StagedListing,
    progress: Progress,
  ): Promise<SyncResult> {
    const { lease, syncRunId } = run;
    const { kind, asOf } = poll;
    const held = kind === 'delta' ? await this.holding.heldOf(lease) : undefined;
    return run.write(async (tx) => {
      const result = progress.result('succeeded');
      if (kind === 'full') await this.runs.supersedeHeld(tx, lease.vendor.vendorId);
      if (held) await this.withheld.forgetOlder(tx, held.syncRunId, syncRunId);
      await this.runs.close(tx, syncRunId, result);
      const clockOffsetMs = asOf === null ? null : offsetMs(asOf, lease.polledAt);
      // A change whose row was rejected is in no later delta: the next listing is a complete one, where it counts as missing.
      const marks = kind === 'delta' && progress.rejected > 0 ? NO_MARKS : poll.marks();
      await this.leases.complete(tx, lease, { kind, asOf, firstPolledAt, timeBelieved: false, clockOffsetMs, marks });
      return result;
    });
  }
}
