import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { storableText } from '../../database/storable';
import type { ListingKind } from '../../vendors/vendor-adapter';
import type { HeldFor } from './judge';
import type { Progress } from './progress';
import type { SyncResult, SyncTrigger } from './sync-run';

/** Finished runs are kept this long; one that waits for a decision is kept until it has one. */
const KEEP_DAYS = 7;
const ERROR_LENGTH_MAX = 1000;

/** A run that waits for an operator. */
export interface HeldRun {
  syncRunId: string;
  kind: ListingKind;
  heldFor: HeldFor;
  asOf: Date | null;
  polledAt: Date;
  staged: number;
  /** The vendor's books that were polled. */
  addressEpoch: number;
}

const HELD_COLUMNS = `sync_run_id AS "syncRunId", kind, held_for AS "heldFor", as_of AS "asOf", polled_at AS "polledAt", staged,
  address_epoch AS "addressEpoch"`;

/** Runs as the sync writes them. In a transaction they come before the vendor's own row. */
@Injectable()
export class SyncRunRepository {
  /**
   * Opens a run, after closing what a dead worker left of the vendor's runs: the one an operator asked for, if there is
   * one, else the new one.
   */
  async open(
    tx: Transaction,
    newRunId: string,
    addressEpoch: number,
    { vendorId, polledAt }: { vendorId: string; polledAt: Date },
  ): Promise<{ syncRunId: string; trigger: SyncTrigger; heldAgain: boolean }> {
    // Accepted by an operator whose process ended before it was applied: it waits again, with what they said.
    const heldAgain = await row(
      tx,
      `UPDATE stock_sync_runs SET status = 'held', finished_at = clock_timestamp()
       WHERE vendor_id = $1 AND status = 'running' AND decided_by IS NOT NULL RETURNING sync_run_id`,
      [vendorId],
    );
    await rows(
      tx,
      `UPDATE stock_sync_runs SET status = 'failed', finished_at = now(), error = 'the worker that ran it is gone'
       WHERE vendor_id = $1 AND status = 'running'`,
      [vendorId],
    );
    await rows(
      tx,
      `DELETE FROM stock_sync_runs WHERE vendor_id = $1 AND started_at < now() - $2::integer * interval '1 day'
         AND status NOT IN ('pending', 'held')`,
      [vendorId, KEEP_DAYS],
    );
    const asked = await row<{ sync_run_id: string }>(
      tx,
      `UPDATE stock_sync_runs SET status = 'running', started_at = now(), polled_at = $2, address_epoch = $3
       WHERE vendor_id = $1 AND status = 'pending' RETURNING sync_run_id`,
      [vendorId, polledAt, addressEpoch],
    );
    if (asked) return { syncRunId: asked.sync_run_id, trigger: 'manual', heldAgain: heldAgain !== undefined };
    await rows(
      tx,
      `INSERT INTO stock_sync_runs (sync_run_id, vendor_id, trigger, kind, status, polled_at, address_epoch)
       VALUES ($1, $2, 'schedule', 'full', 'running', $3, $4)`,
      [newRunId, vendorId, polledAt, addressEpoch],
    );
    return { syncRunId: newRunId, trigger: 'schedule', heldAgain: heldAgain !== undefined };
  }

  /** The vendor's run that waits for a worker: this one, where there was none. */
  async request(on: Connection, newRunId: string, vendorId: string): Promise<string> {
    // Where the one that waited is taken between the two statements, the next turn asks anew.
    for (;;) {
      const added = await row<{ sync_run_id: string }>(
        on,
        `INSERT INTO stock_sync_runs (sync_run_id, vendor_id, trigger, kind, status)
         VALUES ($1, $2, 'manual', 'full', 'pending')
         ON CONFLICT (vendor_id) WHERE status = 'pending' DO NOTHING RETURNING sync_run_id`,
        [newRunId, vendorId],
      );
      const waits = `SELECT sync_run_id FROM stock_sync_runs WHERE vendor_id = $1 AND status = 'pending'`;
      const waiting = added ?? (await row<{ sync_run_id: string }>(on, waits, [vendorId]));
      if (waiting) return waiting.sync_run_id;
    }
  }

  /** When a listing of this time was first asked for, in a run that is remembered: this one, where there was none. */
  async firstPolledAt(on: Connection, vendorId: string, asOf: Date | null, polledAt: Date): Promise<Date> {
    const found = await row<{ at: Date }>(
      on,
      `SELECT LEAST($3::timestamptz,
         (SELECT min(polled_at) FROM stock_sync_runs WHERE vendor_id = $1 AND as_of = $2),
         (SELECT full_polled_at FROM vendors WHERE vendor_id = $1 AND full_as_of = $2)) AS at`,
      [vendorId, asOf, polledAt],
    );
    return found!.at;
  }

  /** Shows how far a run has come. */
  async note(on: Connection, syncRunId: string, progress: Progress): Promise<void> {
    await rows(
      on,
      `UPDATE stock_sync_runs SET kind = $2, as_of = $3, rows_expected = $4, seen = $5, changed = $6, rejected = $7,
              progress_at = clock_timestamp()
       WHERE sync_run_id = $1 AND status = 'running'`,
      [
        syncRunId,
        progress.kind,
        progress.asOf,
        progress.rowsExpected,
        progress.seen,
        progress.changed,
        progress.rejected,
      ],
    );
  }

  async close(on: Connection, syncRunId: string, result: SyncResult): Promise<void> {
    await rows(
      on,
      `UPDATE stock_sync_runs SET status = $2, finished_at = clock_timestamp(), as_of = $3, seen = $4, changed = $5,
              unchanged = $6, missing = $7, rejected = $8, error = $9, kind = $10, rows_expected = $11, staged = $12,
              held_for = $13
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
        result.error === null ? null : storableText(result.error, ERROR_LENGTH_MAX),
        result.kind,
        result.rowsExpected,
        result.staged,
        result.heldFor,
      ],
    );
  }

  async held(on: Connection, vendorId: string): Promise<HeldRun | undefined> {
    return row(on, `SELECT ${HELD_COLUMNS} FROM stock_sync_runs WHERE vendor_id = $1 AND status = 'held'`, [vendorId]);
  }

  /** A newer listing has made the vendor's held run pointless. */
  async supersedeHeld(tx: Transaction, vendorId: string): Promise<void> {
    await rows(tx, `UPDATE stock_sync_runs SET status = 'superseded' WHERE vendor_id = $1 AND status = 'held'`, [
      vendorId,
    ]);
  }

  /** Whether a run is held, and what it has; locked until the transaction ends. */
  async lockForDecision(
    tx: Transaction,
    vendorId: string,
    syncRunId: string,
  ): Promise<{ status: string; held: HeldRun } | undefined> {
    const found = await row<HeldRun & { status: string }>(
      tx,
      `SELECT status, ${HELD_COLUMNS} FROM stock_sync_runs WHERE vendor_id = $1 AND sync_run_id = $2 FOR NO KEY UPDATE`,
      [vendorId, syncRunId],
    );
    return found && { status: found.status, held: found };
  }

  /** A held run that an operator accepted goes on; nobody else decides about it. */
  async resume(tx: Transaction, syncRunId: string, decision: Decided): Promise<void> {
    await this.decide(tx, syncRunId, 'running', decision);
  }

  async reject(tx: Transaction, syncRunId: string, decision: Decided): Promise<void> {
    await this.decide(tx, syncRunId, 'rejected', decision);
  }

  /** What had been accepted is applied. */
  async conclude(tx: Transaction, syncRunId: string, changed: number): Promise<void> {
    await rows(
      tx,
      `UPDATE stock_sync_runs SET status = 'succeeded', finished_at = clock_timestamp(), changed = changed + $2
       WHERE sync_run_id = $1 AND status = 'running'`,
      [syncRunId, changed],
    );
  }

  /** It could not be applied: it waits again. */
  async holdAgain(on: Connection, syncRunId: string): Promise<void> {
    await rows(
      on,
      `UPDATE stock_sync_runs SET status = 'held', finished_at = clock_timestamp()
       WHERE sync_run_id = $1 AND status = 'running'`,
      [syncRunId],
    );
  }

  /** Its rows are lost, so that there is nothing to accept; the next poll brings others. */
  async supersedeLost(on: Connection, syncRunId: string): Promise<void> {
    await rows(
      on,
      `UPDATE stock_sync_runs SET status = 'superseded',
              error = left('its rows were lost when the database crashed; ' || COALESCE(error, ''), $2)
       WHERE sync_run_id = $1 AND status = 'held'`,
      [syncRunId, ERROR_LENGTH_MAX],
    );
  }

  private async decide(
    tx: Transaction,
    syncRunId: string,
    status: 'running' | 'rejected',
    { note, by }: Decided,
  ): Promise<void> {
    await rows(
      tx,
      `UPDATE stock_sync_runs SET status = $2::varchar, note = $3, decided_by = $4,
              finished_at = CASE WHEN $2::varchar = 'running' THEN NULL ELSE clock_timestamp() END
       WHERE sync_run_id = $1`,
      [syncRunId, status, note, by],
    );
  }
}

/** What an operator said, and whose API key it was. */
export interface Decided {
  note: string;
  by: string;
}
