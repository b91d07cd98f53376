import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ListsDataSource } from '../../database/pools';
import { type Connection, row, rows } from '../../database/sql';
import { timestampText } from '../../http/cursor';
import { UUID } from '../../http/rules';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { ReconciliationRunNotFound } from './reconciliation.errors';
import { type Run, type RunCounts, type RunPart, statusOf } from './run';
import { RunRepository } from './run.repository';

type RunRow = Omit<Run, keyof RunCounts | 'status' | 'startedAt' | 'finishedAt' | 'parts' | 'requestedAt'> & {
  requestedAt: Date;
  sort_key: string;
};

type PartRow = Omit<RunPart, 'startedAt' | 'finishedAt'> & {
  reconciliationRunId: string;
  startedAt: Date | null;
  finishedAt: Date | null;
};

const COLUMNS = `reconciliation_run_id AS "reconciliationRunId", vendor_id AS "vendorId", trigger, dry_run AS "dryRun",
  requested_by AS "requestedBy", requested_at AS "requestedAt", ${timestampText('requested_at')} AS sort_key`;

/** Runs as an operator asks for and sees them. A worker does what they say. */
@Injectable()
export class RunQueries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly lists: ListsDataSource,
    private readonly registry: VendorRegistry,
    private readonly runs: RunRepository,
  ) {}

  /** Asks for a run; one that waits for a worker and asks the same is as good. Throws `VendorNotFound`. */
  async request(vendorId: string | undefined, dryRun: boolean, requestedBy: string): Promise<string> {
    if (vendorId !== undefined) await this.registry.get(vendorId);
    return this.dataSource.transaction((tx) => this.runs.request(tx, vendorId, { dryRun, requestedBy }));
  }

  /** Throws `ReconciliationRunNotFound`. */
  async get(reconciliationRunId: string): Promise<Run> {
    const statement = `SELECT ${COLUMNS} FROM reconciliation_runs WHERE reconciliation_run_id = $1`;
    const found = UUID.test(reconciliationRunId)
      ? await row<RunRow>(this.dataSource.manager, statement, [reconciliationRunId])
      : undefined;
    if (!found) throw new ReconciliationRunNotFound(reconciliationRunId);
    return (await this.withParts(this.dataSource.manager, [found]))[0]!;
  }

  /** Newest first, with their sort keys. */
  async list({
    after,
    limit,
  }: {
    after?: readonly [requestedAt: string, id: string];
    limit: number;
  }): Promise<{ run: Run; sortKey: readonly string[] }[]> {
    const statement = `SELECT ${COLUMNS} FROM reconciliation_runs
       WHERE $1::timestamptz IS NULL OR (requested_at, reconciliation_run_id) < ($1, $2::varchar)
       ORDER BY requested_at DESC, reconciliation_run_id DESC LIMIT $3`;
    return this.lists.read(async (on) => {
      const found = await rows<RunRow>(on, statement, [after?.[0] ?? null, after?.[1] ?? null, limit]);
      const runs = await this.withParts(on, found);
      return runs.map((run, index) => ({ run, sortKey: [found[index]!.sort_key, run.reconciliationRunId] }));
    });
  }

  private async withParts(on: Connection, found: RunRow[]): Promise<Run[]> {
    const parts = await rows<PartRow>(
      on,
      `SELECT reconciliation_run_id AS "reconciliationRunId", vendor_id AS "vendorId", status, started_at AS "startedAt",
              finished_at AS "finishedAt", compared, found, opened, closed, failed, skipped, listed,
              not_ours AS "notOurs", note, findings, failures
       FROM reconciliation_parts WHERE reconciliation_run_id = ANY ($1) ORDER BY reconciliation_run_id, vendor_id`,
      [found.map(({ reconciliationRunId }) => reconciliationRunId)],
    );
    const byRun = new Map<string, PartRow[]>(found.map(({ reconciliationRunId }) => [reconciliationRunId, []]));
    for (const part of parts) byRun.get(part.reconciliationRunId)!.push(part);
    return found.map((run) => runOf(run, byRun.get(run.reconciliationRunId)!));
  }
}

function runOf({ sort_key: _, ...run }: RunRow, parts: PartRow[]): Run {
  const status = statusOf(parts);
  const ended = status !== 'pending' && status !== 'running';
  const sum = (of: keyof RunCounts): number => parts.reduce((total, part) => total + part[of], 0);
  return {
    ...run,
    requestedAt: run.requestedAt.toISOString(),
    status,
    startedAt: edgeOf(parts, 'startedAt', Math.min),
    finishedAt: ended ? (edgeOf(parts, 'finishedAt', Math.max) ?? run.requestedAt.toISOString()) : null,
    compared: sum('compared'),
    found: sum('found'),
    opened: sum('opened'),
    closed: sum('closed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    listed: sum('listed'),
    notOurs: sum('notOurs'),
    parts: parts.map(({ reconciliationRunId: __, startedAt, finishedAt, ...part }) => ({
      ...part,
      startedAt: startedAt?.toISOString() ?? null,
      finishedAt: finishedAt?.toISOString() ?? null,
    })),
  };
}

/** The first start, or the last end, among those that have one. */
function edgeOf(parts: PartRow[], of: 'startedAt' | 'finishedAt', edge: (...ms: number[]) => number): string | null {
  const times = parts.map((part) => part[of]?.getTime()).filter((ms) => ms !== undefined);
  return times.length === 0 ? null : new Date(edge(...times)).toISOString();
}
