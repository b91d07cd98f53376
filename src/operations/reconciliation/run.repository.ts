import { Injectable } from '@nestjs/common';
import { isDuplicate } from '../../database/database-errors';
import { newId } from '../../database/new-id';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { ORDER_CASE_KINDS } from './case';
import type { FoundDifference, PartStatus, RunCounts, RunTrigger } from './run';

/** Runs are kept this long. */
const KEEP_DAYS = 30;
const NOTE_LENGTH_MAX = 1000;

/** The right to reconcile with one vendor, for as long as the lease lasts. */
export interface ClaimedPart {
  reconciliationRunId: string;
  vendorId: string;
  trigger: RunTrigger;
  dryRun: boolean;
  /** Fencing token: whoever lost it writes nothing. */
  token: string;
}

/** Somebody else has taken the part over, because our lease ran out. */
export class PartLost extends Error {
  constructor({ reconciliationRunId, vendorId }: ClaimedPart) {
    super(`The part of ${vendorId} in the reconciliation run ${reconciliationRunId} was lost`);
  }
}

/** How far a part has come. */
export interface PartProgress extends RunCounts {
  findings: FoundDifference[];
}

/** Without a live claim nobody takes a part twice: a vendor's running one has the unique index to itself. */
const FREE = `(p.status = 'running' AND p.leased_until < clock_timestamp()
  OR p.status = 'pending' AND NOT EXISTS (
    SELECT FROM reconciliation_parts r WHERE r.vendor_id = p.vendor_id AND r.status = 'running'))`;

/** Orders that wait for an operator, and of which no case tells. */
export const UNCASED = `o.needs_attention AND NOT EXISTS (
  SELECT FROM reconciliation_cases c WHERE c.subject = o.order_id AND c.status = 'open'
    AND c.kind IN (${ORDER_CASE_KINDS.map((kind) => `'${kind}'`).join(', ')}))`;

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

  /** Takes the oldest part that is free. */
  async claim(on: Connection, leaseMs: number): Promise<ClaimedPart | undefined> {
    try {
      return await row<ClaimedPart>(
        on,
        `UPDATE reconciliation_parts part
         SET status = 'running', token = nextval('fencing_tokens'), started_at = COALESCE(started_at, now()),
             leased_until = clock_timestamp() + $1::integer * interval '1 ms'
         FROM reconciliation_runs run
         WHERE (part.reconciliation_run_id, part.vendor_id) = (
             SELECT p.reconciliation_run_id, p.vendor_id FROM reconciliation_parts p
             WHERE p.finished_at IS NULL AND ${FREE}
             ORDER BY p.reconciliation_run_id, p.vendor_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
           AND run.reconciliation_run_id = part.reconciliation_run_id
         RETURNING run.reconciliation_run_id AS "reconciliationRunId", part.vendor_id AS "vendorId", run.trigger,
                   run.dry_run AS "dryRun", part.token`,
        [leaseMs],
      );
    } catch (error) {
      // Another worker was quicker with another part of the same vendor.
      if (isDuplicate(error, 'reconciliation_parts_running')) return undefined;
      throw error;
    }
  }

  /**
   * Keeps the lease, and shows how far the part has come. Called last in every transaction of a part, so that a worker that
   * was frozen and wakes up rolls back what it wrote. Throws `PartLost`.
   */
  async renew(tx: Transaction, part: ClaimedPart, leaseMs: number, progress: PartProgress): Promise<void> {
    const renewed = await row(
      tx,
      `UPDATE reconciliation_parts
       SET leased_until = clock_timestamp() + $4::integer * interval '1 ms', compared = $5, found = $6, opened = $7,
           closed = $8, findings = $9
       WHERE reconciliation_run_id = $1 AND vendor_id = $2 AND token = $3 AND status = 'running' RETURNING vendor_id`,
      [...keyOf(part), leaseMs, ...valuesOf(progress)],
    );
    if (!renewed) throw new PartLost(part);
  }

  /** Its end. Changes nothing where somebody else has taken it over. */
  async close(
    on: Connection,
    part: ClaimedPart,
    progress: PartProgress,
    { status, note }: { status: Exclude<PartStatus, 'pending' | 'running'>; note: string | null },
  ): Promise<void> {
    await rows(
      on,
      `UPDATE reconciliation_parts
       SET status = $9, note = $10, leased_until = NULL, finished_at = clock_timestamp(), compared = $4, found = $5,
           opened = $6, closed = $7, findings = $8
       WHERE reconciliation_run_id = $1 AND vendor_id = $2 AND token = $3 AND status = 'running'`,
      [...keyOf(part), ...valuesOf(progress), status, note?.slice(0, NOTE_LENGTH_MAX) ?? null],
    );
  }

  /** Another worker takes it, from its beginning. */
  async giveBack(on: Connection, part: ClaimedPart): Promise<void> {
    await rows(
      on,
      `UPDATE reconciliation_parts SET status = 'pending', leased_until = NULL
       WHERE reconciliation_run_id = $1 AND vendor_id = $2 AND token = $3 AND status = 'running'`,
      keyOf(part),
    );
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

/** No part of the vendor `v` waits for a worker, dry ones aside. */
const NONE_WAITS = `NOT EXISTS (
  SELECT FROM reconciliation_parts p JOIN reconciliation_runs r USING (reconciliation_run_id)
  WHERE p.vendor_id = v.vendor_id AND p.finished_at IS NULL AND NOT r.dry_run)`;

function keyOf({ reconciliationRunId, vendorId, token }: ClaimedPart): unknown[] {
  return [reconciliationRunId, vendorId, token];
}

function valuesOf({ compared, found, opened, closed, findings }: PartProgress): unknown[] {
  return [compared, found, opened, closed, JSON.stringify(findings)];
}
