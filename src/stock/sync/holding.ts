import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Problem } from './judge';
import type { Progress } from './progress';
import { StagingRepository } from './staging.repository';
import { type SyncLease, SyncLeaseRepository } from './sync-lease.repository';
import type { SyncResult } from './sync-run';
import type { SyncRunInHand } from './sync-run-in-hand';
import { type HeldRun, SyncRunRepository } from './sync-run.repository';
import { WithheldRepository } from './withheld.repository';

/** Named to an operator, of what a truncated listing lacks, and of the prices that move wildly. */
const EXAMPLES_MAX = 5;

/**
 * Keeps a listing for an operator. One run a vendor waits: the newest, unless it only repeats the one that waits
 * already, whose name an operator may have in hand.
 */
@Injectable()
export class Holding {
  constructor(
    private readonly dataSource: DataSource,
    private readonly leases: SyncLeaseRepository,
    private readonly runs: SyncRunRepository,
    private readonly staged: StagingRepository,
    private readonly withheld: WithheldRepository,
  ) {}

  /** The first of the problems is the one that it is held for. */
  async hold(
    run: SyncRunInHand,
    progress: Progress,
    problems: [Problem, ...Problem[]],
    staged: number,
  ): Promise<SyncResult> {
    const { lease, syncRunId, gate } = run;
    const { vendorId } = lease.vendor;
    const [problem] = problems;
    const repeated = await gate.pass(() => this.repeatedBy(run, progress, problem));
    const details: string[] = [];
    for (const each of problems)
      details.push(repeated ? each.detail : await gate.pass(() => this.withExamples(run, each)));
    const detail = details.join('; ');
    if (!repeated && problem.heldFor !== 'CLOCK' && problems.some(({ heldFor }) => heldFor === 'PRICES'))
      await gate.pass(() => this.withheld.mark(this.dataSource.manager, syncRunId, vendorId));
    return run.write(async (tx) => {
      const result = repeated
        ? progress.result('superseded', `${detail}; as in run ${repeated}, which waits for a decision`)
        : progress.result('held', detail, { problem, staged });
      if (!repeated) await this.runs.supersedeHeld(tx, vendorId);
      await this.runs.close(tx, syncRunId, result);
      await this.leases.notice(tx, lease, problem.heldFor === 'CLOCK' ? null : progress.asOf);
      return result;
    });
  }

  /** The vendor's held run, if there is one whose rows are all there. */
  async heldOf(lease: SyncLease): Promise<HeldRun | undefined> {
    const on = this.dataSource.manager;
    const held = lease.hasHeldRun ? await this.runs.held(on, lease.vendor.vendorId) : undefined;
    return held && (await this.staged.isIntact(on, held.syncRunId, held.staged)) ? held : undefined;
  }

  /** Names some of what is missing, or moves: that is what an operator asks the vendor about. */
  private async withExamples({ syncRunId, lease }: SyncRunInHand, { heldFor, detail }: Problem): Promise<string> {
    const [on, { vendorId }] = [this.dataSource.manager, lease.vendor];
    if (heldFor === 'TRUNCATED')
      return `${detail}, such as ${(await this.staged.someMissing(on, syncRunId, vendorId, EXAMPLES_MAX)).join(', ')}`;
    if (heldFor === 'PRICES')
      return `${detail}, such as ${(await this.withheld.someMoves(on, syncRunId, vendorId, EXAMPLES_MAX)).join(', ')}`;
    return detail;
  }

  /** The held run that asks the same of an operator as this one would, if there is one. */
  private async repeatedBy(
    { syncRunId, lease }: SyncRunInHand,
    { kind }: Progress,
    { heldFor }: Problem,
  ): Promise<string | undefined> {
    const { vendorId } = lease.vendor;
    const on = this.dataSource.manager;
    const held = await this.heldOf(lease);
    if (held?.heldFor !== heldFor) return undefined;
    if (heldFor === 'CLOCK') return held.syncRunId;
    if (kind === 'full' && (held.kind !== 'full' || !(await this.staged.lacksTheSame(on, vendorId, syncRunId, held))))
      return undefined;
    const moves = { syncRunId, kind, heldRunId: held.syncRunId };
    return (await this.withheld.movesTheSame(on, vendorId, moves)) ? held.syncRunId : undefined;
  }
}
