import { Injectable } from '@nestjs/common';
import { newId } from '../../database/new-id';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { jsonbOf, storableText } from '../../database/storable';
import type { Ruling } from '../../orders/fulfilment/intervention';
import {
  type CaseKind,
  type Finding,
  GONE,
  ORDER_CASE_KINDS,
  type OrderCaseKind,
  type Resolution,
  SYSTEM,
} from './case';

/** What the system closed is kept this long; what somebody resolved, for ever. */
const GONE_KEPT_DAYS = 90;
const NOTE_GONE = 'It was compared again, and the difference is gone.';
const NOTE_DECIDED = 'It was decided elsewhere.';
const ESSENCE_LENGTH_MAX = 300;

/** Case `c` is open, and about an order and its vendor's books. */
export const OPEN_OF_ORDER = `c.status = 'open' AND c.kind IN (${ORDER_CASE_KINDS.map((kind) => `'${kind}'`).join(', ')})`;
/** What could not be compared is tried again after this, and not each time somebody looks. */
const FAILED_FOR_MS = 3_000_000;
/** Order `o` waits for an operator, and no case tells of it, nor has its comparison just failed. */
export const UNCASED = `o.needs_attention AND NOT EXISTS (
  SELECT FROM reconciliation_cases c WHERE c.subject = o.order_id AND ${OPEN_OF_ORDER})
  AND NOT EXISTS (SELECT FROM reconciliation_failures f
    WHERE f.order_id = o.order_id AND f.failed_at > now() - ${FAILED_FOR_MS} * interval '1 ms')`;

/** What the books have of an order that was given up. */
const ANSWERED: readonly OrderCaseKind[] = ['givenUpButAccepted', 'givenUpAndRefused', 'givenUpAndNotBought'];

/** `dismissed`: an operator has said that this is to stay as it is. */
export type Filed = 'opened' | 'refreshed' | 'dismissed';

const DISMISSED = `EXISTS (SELECT FROM reconciliation_cases d
  WHERE d.subject = $1 AND d.kind = $2 AND d.resolution = 'dismiss' AND d.essence = $3)`;

/** Cases as reconciliation and their resolution write them. In a transaction they come after products and orders. */
@Injectable()
export class CaseRepository {
  /** Opens a case, or refreshes the one that is open about the same. */
  async file(tx: Transaction, vendorId: string, finding: Finding): Promise<Filed> {
    const { kind, subject, orderId, productId, evidence, resolutions, claimToken } = finding;
    const filed = await row<{ opened: boolean }>(
      tx,
      `INSERT INTO reconciliation_cases AS c (subject, kind, essence, case_id, vendor_id, order_id, product_id, evidence,
                                              resolutions, claim_token)
       SELECT $1::varchar, $2::varchar, $3::varchar, $4::varchar, $5::varchar, $6::varchar, $7::varchar, $8::jsonb,
              $9::text[], $10::bigint
       WHERE NOT ${DISMISSED}
       ON CONFLICT (subject, kind) WHERE status = 'open' DO UPDATE
         SET essence = excluded.essence, evidence = excluded.evidence, resolutions = excluded.resolutions,
             claim_token = excluded.claim_token, checked_at = clock_timestamp()
       RETURNING xmax = 0 AS opened`,
      [
        subject,
        kind,
        essenceOf(finding),
        newId(),
        vendorId,
        orderId,
        productId,
        jsonbOf(evidence),
        resolutions,
        claimToken,
      ],
    );
    if (!filed) return 'dismissed';
    return filed.opened ? 'opened' : 'refreshed';
  }

  /** What `file` would do, without doing it. */
  async foretell(on: Connection, finding: Finding): Promise<Filed> {
    const found = await row<{ dismissed: boolean; open: boolean }>(
      on,
      `SELECT ${DISMISSED} AS dismissed,
              EXISTS (SELECT FROM reconciliation_cases c WHERE c.subject = $1 AND c.kind = $2 AND c.status = 'open') AS open`,
      [finding.subject, finding.kind, essenceOf(finding)],
    );
    if (found!.dismissed) return 'dismissed';
    return found!.open ? 'refreshed' : 'opened';
  }

  /** Closes the vendor's open cases of a kind whose subject was not found, up to that one where not all were. */
  async closeGone(
    tx: Transaction,
    vendorId: string,
    kind: CaseKind,
    { found, until }: { found: string[]; until: string | null },
  ): Promise<number> {
    const closed = await rows(
      tx,
      `UPDATE reconciliation_cases
       SET status = 'resolved', resolution = '${GONE}', actor = '${SYSTEM}', note = $5, resolved_at = clock_timestamp()
       WHERE vendor_id = $1 AND kind = $2 AND status = 'open' AND subject <> ALL ($3)
         AND ($4::varchar IS NULL OR subject <= $4) RETURNING case_id`,
      [vendorId, kind, found, until, NOTE_GONE],
    );
    return closed.length;
  }

  /** Closes the open cases of an order, of these kinds. The order is locked before. */
  async closeOf(tx: Transaction, subject: string, kinds: readonly CaseKind[]): Promise<number> {
    const closed = await rows(
      tx,
      `UPDATE reconciliation_cases
       SET status = 'resolved', resolution = '${GONE}', actor = '${SYSTEM}', note = $3, resolved_at = clock_timestamp()
       WHERE subject = $1 AND kind = ANY ($2) AND status = 'open' RETURNING case_id`,
      [subject, kinds, NOTE_GONE],
    );
    return closed.length;
  }

  /**
   * Closes what somebody has decided elsewhere: an order that waits for no operator any more, a sync that is not held. One that
   * was accepted is `running` while it is applied, and held again where that fails.
   */
  async closeDecided(on: Connection): Promise<void> {
    await rows(
      on,
      `UPDATE reconciliation_cases c
       SET status = 'resolved', resolution = '${GONE}', actor = '${SYSTEM}', note = $2, resolved_at = clock_timestamp()
       WHERE status = 'open' AND (
         kind = ANY ($1) AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = c.subject AND o.needs_attention)
         OR kind = 'heldSync' AND NOT EXISTS (
           SELECT FROM stock_sync_runs r WHERE r.sync_run_id = c.subject AND r.status IN ('held', 'running')))`,
      [[...ANSWERED, 'givenUpAndUnknown'], NOTE_DECIDED],
    );
  }

  /** Whether a case tells what the vendor's books had of an order, asked after the order's last dispatch. */
  async hasAnswer(on: Connection, orderId: string, claimToken: string): Promise<boolean> {
    const found = await row(
      on,
      `SELECT FROM reconciliation_cases
       WHERE subject = $1 AND kind = ANY ($2) AND status = 'open' AND claim_token = $3`,
      [orderId, ANSWERED, claimToken],
    );
    return found !== undefined;
  }

  /** Nobody else decides about it until the transaction ends. Undefined where somebody has. */
  lockOpen(tx: Transaction, caseId: string): Promise<{ claimToken: string | null } | undefined> {
    return row(
      tx,
      `SELECT claim_token AS "claimToken" FROM reconciliation_cases WHERE case_id = $1 AND status = 'open'
       FOR NO KEY UPDATE`,
      [caseId],
    );
  }

  /** open → resolved, whoever had noticed first that it was decided. */
  async resolve(on: Connection, caseId: string, resolution: Resolution, { by, note }: Ruling): Promise<void> {
    await rows(
      on,
      `UPDATE reconciliation_cases
       SET status = 'resolved', resolution = $2, note = $3, actor = $4, resolved_with = $5, resolved_at = clock_timestamp()
       WHERE case_id = $1 AND (status = 'open' OR resolution = '${GONE}')`,
      [caseId, resolution, note, by.client, by.apiKeyId],
    );
  }

  async countOpen(on: Connection): Promise<number> {
    const statement = `SELECT count(*)::integer AS count FROM reconciliation_cases WHERE status = 'open'`;
    return (await row<{ count: number }>(on, statement))!.count;
  }

  /** Forgets what the system closed long ago. */
  async forgetGone(on: Connection): Promise<void> {
    await rows(
      on,
      `DELETE FROM reconciliation_cases
       WHERE resolution = '${GONE}' AND resolved_at < now() - $1::integer * interval '1 day'`,
      [GONE_KEPT_DAYS],
    );
  }
}

function essenceOf({ essence }: Finding): string {
  return storableText(essence, ESSENCE_LENGTH_MAX);
}
