import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { OutcomesDataSource } from '../../database/pools';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { OwnBooks } from './own-books';
import { PART_LEASE_MS, PartInHand } from './part-in-hand';
import { type ClaimedPart, PartLost, PartRepository } from './part.repository';
import { ProgressRepository } from './progress.repository';
import { VendorBooks } from './vendor-books';

/** A vendor with many orders, or slow answers, is gone on with in the next run, which follows at once. */
const PART_MS_MAX = 15 * 60_000;

/** Reconciles with one vendor: our own books first, which need nobody, then its books. */
@Injectable()
export class Reconciliation {
  private readonly logger = new Logger(Reconciliation.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly heartbeats: OutcomesDataSource,
    private readonly registry: VendorRegistry,
    private readonly parts: PartRepository,
    private readonly progress: ProgressRepository,
    private readonly ownBooks: OwnBooks,
    private readonly vendorBooks: VendorBooks,
  ) {}

  /** Takes the oldest part that waits, if there is one. */
  claim(): Promise<ClaimedPart | undefined> {
    return this.parts.claim(this.dataSource.manager, PART_LEASE_MS);
  }

  /** Runs a part to its end and records how it went; one that the signal ends is left to others. Never rejects. */
  async run(claim: ClaimedPart, signal: AbortSignal, msMax = PART_MS_MAX): Promise<void> {
    const part = new PartInHand(claim, this.dataSource, this.heartbeats, this.parts);
    const overtime = AbortSignal.timeout(msMax);
    try {
      await part.whileKept(() => this.read(part, AbortSignal.any([signal, overtime])));
      await this.close(part, part.note === null ? 'succeeded' : 'incomplete', part.note);
    } catch (error) {
      await this.breakOff(part, error as Error, { stopped: signal.aborted, late: overtime.aborted }).catch(
        // Its lease ends, and somebody takes it over.
        (failure: unknown) => this.logger.warn({ err: failure, ...claim }, 'A reconciliation could not be recorded'),
      );
    }
  }

  private async read(part: PartInHand, signal: AbortSignal): Promise<void> {
    const vendor = await this.registry.get(part.claim.vendorId);
    if (part.claim.trigger !== 'attention') await this.ownBooks.read(part, signal);
    await this.vendorBooks.read(part, vendor, signal);
  }

  private async breakOff(part: PartInHand, error: Error, why: { stopped: boolean; late: boolean }): Promise<void> {
    if (error instanceof PartLost) return;
    if (why.stopped) return this.parts.giveBack(this.dataSource.manager, part.claim);
    if (why.late) {
      part.toGoOn = true;
      part.fallShort('It took too long and was ended; the next run goes on.');
      return this.close(part, 'incomplete', part.note);
    }
    this.logger.warn({ err: error, ...part.claim }, 'A reconciliation broke off');
    await this.close(part, 'failed', `It broke off: ${error.message}`);
  }

  private async close(
    part: PartInHand,
    status: 'succeeded' | 'incomplete' | 'failed',
    note: string | null,
  ): Promise<void> {
    const { claim, progress } = part;
    await this.dataSource.transaction(async (tx) => {
      if (!(await this.parts.close(tx, claim, progress, { status, note })) || claim.trigger !== 'schedule') return;
      await this.progress.note(tx, claim.vendorId, { succeeded: status === 'succeeded', toGoOn: part.toGoOn });
    });
    const { findings: _, failures: __, ...counts } = progress;
    const level = status === 'succeeded' && counts.opened === 0 ? 'debug' : 'warn';
    this.logger[level]({ ...claim, status, note, ...counts }, `Reconciliation ${status}`);
  }
}
