import { Injectable } from '@nestjs/common';
import { newId } from '../../database/new-id';
import { row, rows, type Transaction } from '../../database/sql';
import { UNCASED } from './case.repository';
import type { RunTrigger } from './run';

/** Runs are kept this long. */
const KEEP_DAYS = 30;

/** No part of the vendor `v` waits for a worker, dry ones aside. */
const NONE_WAITS = `NOT EXISTS (
  SELECT FROM reconciliation_parts p JOIN reconciliation_runs r USING (reconciliation_run_id)
  WHERE p.vendor_id = v.vendor_id AND p.finished_at IS NULL AND NOT r.dry_run)`;

/** Runs as they are asked for, with a part for each vendor. */
@Injectable()
export class RunRepository {
  /**
   * An operator's run over one vendor or all. One that waits for a worker and asks the same is as good: its id is answered
   * then.
   */
  async request(
    tx: Transaction,
    vendorId: string | undefined,
    { dryRun, requestedBy }: { dryRun: boolean; requestedBy: string },
  ): Promise<string> {
    // Two that ask at once: the second finds what the first has written.
    await rows(tx, `SELECT pg_advisory_xact_lock(hashtextextended('request-reconciliation', 0))`);
    const waiting = await row<{ id: string }>(
      tx,
      `SELECT r.reconciliation_run_id AS id FROM reconciliation_runs r
       WHERE r.trigger = 'manual' AND r.dry_run = $2 AND r.vendor_id IS NOT DISTINCT FROM $1
         AND EXISTS (SELECT FROM reconciliation_parts p
                     WHERE p.reconciliation_run_id = r.reconciliation_run_id AND p.finished_at IS NULL)
         AND NOT EXISTS (SELECT FROM reconciliation_parts p
                         WHERE p.reconciliation_run_id = r.reconciliation_run_id AND p.status <> 'pending')
       LIMIT 1`,
      [vendorId ?? null, dryRun],
    );
    if (waiting) return waiting.id;
    return this.insert(tx, { vendorId: vendorId ?? null, trigger: 'manual', dryRun, requestedBy }, 'true');
  }

  /** The regular run, over every vendor for which no other waits. */
  async schedule(tx: Transaction): Promise<void> {
    await this.insert(tx, { vendorId: null, trigger: 'schedule', dryRun: false, requestedBy: null }, NONE_WAITS);
    await rows(
      tx,
      `DELETE FROM reconciliation_runs r WHERE requested_at < now() - $1::integer * interval '1 day'
         AND NOT EXISTS (SELECT FROM reconciliation_parts p
                         WHERE p.reconciliation_run_id = r.reconciliation_run_id AND p.finished_at IS NULL)`,
      [KEEP_DAYS],
    );
  }

  /** A run over the vendors with orders that wait for an operator and have no case yet, if there are any. */
  async attend(tx: Transaction): Promise<void> {
    const uncased = `${NONE_WAITS} AND v.vendor_id IN (SELECT o.vendor_id FROM orders o WHERE ${UNCASED})`;
    const wanted = await row(tx, `SELECT FROM vendors v WHERE ${uncased} LIMIT 1`);
    if (!wanted) return;
    await this.insert(tx, { vendorId: null, trigger: 'attention', dryRun: false, requestedBy: null }, uncased);
  }

  /** A run over the vendors whose last regular one ended at a limit of its own, if there are any. */
  async goOn(tx: Transaction): Promise<void> {
    const unfinished = `${NONE_WAITS} AND v.vendor_id IN (SELECT vendor_id FROM reconciliation_progress WHERE to_go_on)`;
    const wanted = await row(tx, `SELECT FROM vendors v WHERE ${unfinished} LIMIT 1`);
    if (!wanted) return;
    await this.insert(tx, { vendorId: null, trigger: 'schedule', dryRun: false, requestedBy: null }, unfinished);
  }

  private async insert(
    tx: Transaction,
    run: { vendorId: string | null; trigger: RunTrigger; dryRun: boolean; requestedBy: string | null },
    which: string,
  ): Promise<string> {
    const id = newId();
    await rows(
      tx,
      `INSERT INTO reconciliation_runs (reconciliation_run_id, vendor_id, trigger, dry_run, requested_by)
       VALUES ($1, $2, $3, $4, $5)`,
      [id, run.vendorId, run.trigger, run.dryRun, run.requestedBy],
    );
    await rows(
      tx,
      `INSERT INTO reconciliation_parts (reconciliation_run_id, vendor_id)
       SELECT $1, v.vendor_id FROM vendors v WHERE ($2::varchar IS NULL OR v.vendor_id = $2) AND ${which}`,
      [id, run.vendorId],
    );
    return id;
  }
}
