import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { newId } from '../../database/new-id';
import { ListsDataSource } from '../../database/pools';
import { row, rows } from '../../database/sql';
import { timestampText } from '../../http/cursor';
import { UUID } from '../../http/rules';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { VendorDisabled } from '../../vendors/vendors.errors';
import { SyncRunNotFound } from './sync.errors';
import type { SyncRun, SyncStatus } from './sync-run';
import { SyncRunRepository } from './sync-run.repository';

type RunRow = Omit<SyncRun, 'startedAt' | 'finishedAt' | 'asOf'> & {
  startedAt: Date;
  finishedAt: Date | null;
  asOf: Date | null;
  sort_key: string;
};

const COLUMNS = `sync_run_id AS "syncRunId", vendor_id AS "vendorId", trigger, kind, status, started_at AS "startedAt",
  finished_at AS "finishedAt", as_of AS "asOf", seen, changed, unchanged, missing, rejected, error,
  rows_expected AS "rowsExpected", note,
  round(seen / NULLIF(extract(epoch FROM progress_at - started_at), 0))::integer AS "rowsPerSecond",
  CASE WHEN rows_expected > 0 THEN LEAST(100, 100 * seen::bigint / rows_expected)::integer END AS percent,
  ${timestampText('started_at')} AS sort_key`;

/** Runs as an operator sees and asks for them. */
@Injectable()
export class SyncRunQueries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly lists: ListsDataSource,
    private readonly registry: VendorRegistry,
    private readonly runs: SyncRunRepository,
  ) {}

  /** Asks for a poll as soon as a worker has time; one that waits already is as good. Throws `VendorNotFound` and
   * `VendorDisabled`. */
  async request(vendorId: string): Promise<string> {
    const { enabled } = await this.registry.get(vendorId);
    if (!enabled) throw new VendorDisabled(vendorId);
    return this.runs.request(this.dataSource.manager, newId(), vendorId);
  }

  /** Throws `SyncRunNotFound`. */
  async get(vendorId: string, syncRunId: string): Promise<SyncRun> {
    const statement = `SELECT ${COLUMNS} FROM stock_sync_runs WHERE vendor_id = $1 AND sync_run_id = $2`;
    const found = UUID.test(syncRunId)
      ? await row<RunRow>(this.dataSource.manager, statement, [vendorId, syncRunId])
      : undefined;
    if (!found) throw new SyncRunNotFound(vendorId, syncRunId);
    return runOf(found);
  }

  /** Newest first, with their sort keys. Throws `VendorNotFound`. */
  async list(
    vendorId: string,
    {
      status,
      after,
      limit,
    }: { status?: SyncStatus; after?: readonly [startedAt: string, syncRunId: string]; limit: number },
  ): Promise<{ run: SyncRun; sortKey: readonly string[] }[]> {
    await this.registry.get(vendorId);
    const statement = `SELECT ${COLUMNS} FROM stock_sync_runs
       WHERE vendor_id = $1 AND ($2::timestamptz IS NULL OR (started_at, sync_run_id) < ($2, $3::varchar))
         AND ($5::varchar IS NULL OR status = $5)
       ORDER BY started_at DESC, sync_run_id DESC LIMIT $4`;
    const values = [vendorId, after?.[0] ?? null, after?.[1] ?? null, limit, status ?? null];
    const found = await this.lists.read((on) => rows<RunRow>(on, statement, values));
    return found.map((listed) => ({ run: runOf(listed), sortKey: [listed.sort_key, listed.syncRunId] }));
  }
}

function runOf({ sort_key: _, ...found }: RunRow): SyncRun {
  return {
    ...found,
    startedAt: found.status === 'pending' ? null : found.startedAt.toISOString(),
    finishedAt: found.finishedAt?.toISOString() ?? null,
    asOf: found.asOf?.toISOString() ?? null,
  };
}
