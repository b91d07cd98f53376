import { Injectable } from '@nestjs/common';
import { type Connection, rows, type Transaction } from '../../database/sql';

export interface SyncCounts {
  /** Rows the vendor sent. */
  seen: number;
  /** Rows written. */
  changed: number;
  unchanged: number;
  /** Known SKUs that a complete listing lacks. */
  missing: number;
  /** Rows that broke a rule. */
  rejected: number;
}

export interface SyncResult extends SyncCounts {
  status: 'succeeded' | 'held' | 'failed';
  asOf: Date | null;
  error: string | null;
}

/** Finished runs are kept this long. */
const KEEP_DAYS = 7;
const ERROR_LENGTH_MAX = 1000;

@Injectable()
export class SyncRunRepository {
  /** Opens a run, after closing what a dead worker left of the vendor's runs. */
  async open(tx: Transaction, syncRunId: string, vendorId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE stock_sync_runs SET status = 'failed', finished_at = now(), error = 'the worker that ran it is gone'
       WHERE vendor_id = $1 AND status = 'running'`,
      [vendorId],
    );
    await rows(
      tx,
      `DELETE FROM stock_sync_runs WHERE vendor_id = $1 AND started_at < now() - $2::integer * interval '1 day'`,
      [vendorId, KEEP_DAYS],
    );
    await rows(
      tx,
      `INSERT INTO stock_sync_runs (sync_run_id, vendor_id, trigger, kind, status)
       VALUES ($1, $2, 'schedule', 'full', 'running')`,
      [syncRunId, vendorId],
    );
  }

  async close(on: Connection, syncRunId: string, result: SyncResult): Promise<void> {
    await rows(
      on,
      `UPDATE stock_sync_runs SET status = $2, finished_at = now(), as_of = $3, seen = $4, changed = $5, unchanged = $6,
              missing = $7, rejected = $8, error = $9
       WHERE sync_run_id = $1 AND status = 'running'`,
      [
        syncRunId,
        result.status,
        result.asOf,
        result.seen,
        result.changed,
        result.unchanged,
        result.missing,
        result.rejected,
        result.error?.slice(0, ERROR_LENGTH_MAX) ?? null,
      ],
    );
  }
}
