import { Injectable } from '@nestjs/common';
import { isDuplicate } from '../../database/database-errors';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { jsonbOf, storableText } from '../../database/storable';
import type { FailedComparison, FoundDifference, PartStatus, RunCounts, RunTrigger } from './run';

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
  failures: FailedComparison[];
}

/** Without a live claim nobody takes a part twice: a vendor's running one has the unique index to itself. */
const FREE = `(p.status = 'running' AND p.leased_until < clock_timestamp()
  OR p.status = 'pending' AND NOT EXISTS (
    SELECT FROM reconciliation_parts r WHERE r.vendor_id = p.vendor_id AND r.status = 'running'))`;

/** A run's parts as workers take them: each by one worker, and one of a vendor at a time. */
@Injectable()
export class PartRepository {
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
           closed = $8, failed = $9, skipped = $10, listed = $11, not_ours = $12,
           findings = $13, failures = $14
       WHERE reconciliation_run_id = $1 AND vendor_id = $2 AND token = $3 AND status = 'running' RETURNING vendor_id`,
      [...keyOf(part), leaseMs, ...valuesOf(progress)],
    );
    if (!renewed) throw new PartLost(part);
  }

  /** Its end. Changes nothing, and answers false, where somebody else has taken it over. */
  async close(
    on: Connection,
    part: ClaimedPart,
    progress: PartProgress,
    { status, note }: { status: Exclude<PartStatus, 'pending' | 'running'>; note: string | null },
  ): Promise<boolean> {
    const closed = await rows(
      on,
      `UPDATE reconciliation_parts
       SET status = $14, note = $15, leased_until = NULL, finished_at = clock_timestamp(), compared = $4, found = $5,
           opened = $6, closed = $7, failed = $8, skipped = $9, listed = $10, not_ours = $11, findings = $12, failures = $13
       WHERE reconciliation_run_id = $1 AND vendor_id = $2 AND token = $3 AND status = 'running'
       RETURNING vendor_id`,
      [...keyOf(part), ...valuesOf(progress), status, note === null ? null : storableText(note, NOTE_LENGTH_MAX)],
    );
    return closed.length > 0;
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
}

function keyOf({ reconciliationRunId, vendorId, token }: ClaimedPart): unknown[] {
  return [reconciliationRunId, vendorId, token];
}

function valuesOf({ findings, failures, ...counts }: PartProgress): unknown[] {
  const { compared, found, opened, closed, failed, skipped, listed, notOurs } = counts;
  return [compared, found, opened, closed, failed, skipped, listed, notOurs, jsonbOf(findings), jsonbOf(failures)];
}
