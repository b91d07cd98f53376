import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { timestampText } from '../../http/cursor';
import { ADDRESS_EPOCH_OF } from '../../orders/fulfilment/attempt.repository';
import { IS_HERE } from '../../vendors/address.repository';
import { OPEN_OF_ORDER, UNCASED } from './case.repository';
import type { ComparedOrder } from './comparison';

/** How far back orders are compared that nothing points to. */
export const HORIZON_DAYS = 7;
/** Of orders that are passed over so many are counted: in less than a second. */
const SKIPPED_COUNTED_MAX = 1_000_000;
/** An order is compared this long after it was decided, when the vendor's books have come to rest. */
const DECIDED_FOR_MS = 3_600_000;

/** An order to compare with its vendor's books. */
export interface Candidate extends ComparedOrder {
  /** To the microsecond, by our clock. */
  createdAt: string;
  /** Nobody has it in hand, and its vendor is not being asked to cancel it already. */
  atRest: boolean;
  /** It was decided long enough ago. */
  decidedForLong: boolean;
  /** A case is open about it. */
  hasCase: boolean;
  /** Its last comparison failed. */
  hasFailed: boolean;
  /** Its vendor's list of changed orders and our books agree about it. */
  isListed: boolean;
  /** To the microsecond. */
  updatedAt: string;
}

/** A place in a vendor's orders, in the order they were placed. */
export interface Place {
  createdAt: string;
  orderId: string;
}

/** $1: the vendor, $2: its consistency lag in ms. */
const COLUMNS = `o.order_id AS "orderId", o.product_id AS "productId", o.client, o.quantity, o.status, o.hold_state AS "holdState",
  o.failure_reason AS "failureReason", o.vendor_order_id AS "vendorOrderId", o.needs_attention AS "needsAttention",
  o.attention_reason AS "attentionReason", o.cancel_requested_at IS NOT NULL AS "cancelRequested",
  o.claim_token AS "claimToken", ${timestampText('o.created_at')} AS "createdAt",
  ${timestampText('o.updated_at')} AS "updatedAt",
  EXISTS (SELECT FROM reconciliation_cases c WHERE c.subject = o.order_id AND ${OPEN_OF_ORDER}) AS "hasCase",
  EXISTS (SELECT FROM reconciliation_failures f WHERE f.order_id = o.order_id) AS "hasFailed",
  EXISTS (SELECT FROM reconciliation_listed l WHERE l.order_id = o.order_id) AS "isListed",
  (o.claimed_until IS NULL OR o.claimed_until <= clock_timestamp())
    AND (o.recall_requested_at IS NULL OR o.needs_attention) AS "atRest",
  o.status <> 'pending' AND o.updated_at < now() - ${DECIDED_FOR_MS} * interval '1 ms' AS "decidedForLong",
  EXISTS (SELECT FROM dispatch_attempts a
          WHERE a.order_id = o.order_id AND a.outcome IS DISTINCT FROM 'not_sent') AS sent,
  (SELECT json_build_object('kind', f.kind, 'baseUrl', f.base_url, 'credentialEnv', f.credential_env)
   FROM (SELECT ${ADDRESS_EPOCH_OF('o')} AS epoch) sent CROSS JOIN vendors v JOIN vendor_former_addresses f USING (vendor_id)
   WHERE v.vendor_id = o.vendor_id AND NOT ${IS_HERE('sent.epoch')} AND sent.epoch = ANY (f.epochs)) AS "formerAddress",
  CASE WHEN o.status = 'pending'
    THEN NOT EXISTS (SELECT FROM dispatch_attempts a WHERE a.order_id = o.order_id AND a.closed_at IS NULL
                       AND a.deadline_at + $2::integer * interval '1 ms' > clock_timestamp())
    ELSE COALESCE(o.acknowledged_at, o.updated_at) + $2::integer * interval '1 ms' < clock_timestamp() END AS provable`;

/** Orders that something points to; each in the order of their ids. */
const POINTED_TO = {
  /** A case is open about them. */
  cased: `o.order_id IN (SELECT c.subject FROM reconciliation_cases c WHERE c.vendor_id = $1 AND ${OPEN_OF_ORDER})`,
  /** They wait for an operator. */
  attention: 'o.needs_attention',
  /** The same, and no case tells of them. */
  uncased: UNCASED,
  /** They were not decided for long enough when their turn came. */
  revisited: `o.order_id IN (SELECT r.order_id FROM reconciliation_revisits r WHERE r.vendor_id = $1)
    AND o.status <> 'pending' AND o.updated_at < now() - ${DECIDED_FOR_MS} * interval '1 ms'`,
};
export type Pointer = keyof typeof POINTED_TO;

/** Which of a vendor's orders are worth a look into its books. */
@Injectable()
export class CandidateRepository {
  pointedTo(on: Connection, vendor: Vendor, pointer: Pointer, after: string, limit: number): Promise<Candidate[]> {
    return rows(
      on,
      `SELECT ${COLUMNS} FROM orders o
       WHERE o.vendor_id = $1 AND ${POINTED_TO[pointer]} AND o.order_id > $3 ORDER BY o.order_id LIMIT $4`,
      [vendor.vendorId, vendor.consistencyLagMs, after, limit],
    );
  }

  /** Those of the ids that are orders at the vendor. */
  ofIds(on: Connection, vendor: Vendor, orderIds: string[]): Promise<Candidate[]> {
    return rows(on, `SELECT ${COLUMNS} FROM orders o WHERE o.vendor_id = $1 AND o.order_id = ANY ($3::varchar[])`, [
      vendor.vendorId,
      vendor.consistencyLagMs,
      orderIds,
    ]);
  }

  /** In the order they were placed, after this place, and as long ago as books take to come to rest. */
  since(on: Connection, vendor: Vendor, after: Place, limit: number): Promise<Candidate[]> {
    return rows(
      on,
      `SELECT ${COLUMNS} FROM orders o
       WHERE o.vendor_id = $1 AND (o.created_at, o.order_id) > ($3::timestamptz, $4::varchar)
         AND o.created_at < now() - ${DECIDED_FOR_MS} * interval '1 ms'
       ORDER BY o.created_at, o.order_id LIMIT $5`,
      [vendor.vendorId, vendor.consistencyLagMs, after.createdAt, after.orderId, limit],
    );
  }

  /** The newest first, before this place, those within the horizon. */
  before(on: Connection, vendor: Vendor, before: Place | undefined, limit: number): Promise<Candidate[]> {
    return rows(
      on,
      `SELECT ${COLUMNS} FROM orders o
       WHERE o.vendor_id = $1 AND o.created_at > now() - ${HORIZON_DAYS} * interval '1 day'
         AND ($3::timestamptz IS NULL OR (o.created_at, o.order_id) < ($3::timestamptz, $4::varchar))
       ORDER BY o.created_at DESC, o.order_id DESC LIMIT $5`,
      [vendor.vendorId, vendor.consistencyLagMs, before?.createdAt ?? null, before?.orderId ?? null, limit],
    );
  }

  /**
   * Up to where the vendor's orders have been compared; never further back than the horizon. `skipped`: orders between the
   * two, which are passed over; at most `SKIPPED_COUNTED_MAX` are counted.
   */
  async mark(on: Connection, vendorId: string): Promise<Place & { skipped: number }> {
    return (await row<Place & { skipped: number }>(
      on,
      `SELECT ${timestampText('GREATEST(m.created_at, horizon.at)')} AS "createdAt",
              CASE WHEN m.created_at > horizon.at THEN m.order_id ELSE '' END AS "orderId",
              (SELECT count(*)::integer FROM (
                 SELECT FROM orders o
                 WHERE o.vendor_id = $1 AND o.created_at <= horizon.at
                   AND (o.created_at, o.order_id) > (COALESCE(m.created_at, '-infinity'), COALESCE(m.order_id, ''))
                 LIMIT ${SKIPPED_COUNTED_MAX}) passed) AS skipped
       FROM (SELECT now() - ${HORIZON_DAYS} * interval '1 day' AS at) horizon
         LEFT JOIN reconciliation_marks m ON m.vendor_id = $1`,
      [vendorId],
    ))!;
  }

  async moveMark(tx: Transaction, vendorId: string, { createdAt, orderId }: Place): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_marks (vendor_id, created_at, order_id) VALUES ($1, $2, $3)
       ON CONFLICT (vendor_id) DO UPDATE SET created_at = excluded.created_at, order_id = excluded.order_id`,
      [vendorId, createdAt, orderId],
    );
  }

  /** These are compared once they have been decided for long enough. */
  async revisit(tx: Transaction, vendorId: string, orderIds: string[]): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_revisits (order_id, vendor_id) SELECT unnest($2::varchar[]), $1 ON CONFLICT DO NOTHING`,
      [vendorId, orderIds],
    );
  }

  async endRevisit(tx: Transaction, orderIds: string[]): Promise<void> {
    await rows(tx, 'DELETE FROM reconciliation_revisits WHERE order_id = ANY ($1)', [orderIds]);
  }

  /** Locks the order, and answers whether it still is as it was when its vendor was asked. */
  async isStill(tx: Transaction, { orderId, claimToken, updatedAt }: Candidate): Promise<boolean> {
    const found = await row(
      tx,
      `SELECT FROM orders WHERE order_id = $1 AND claim_token = $2 AND updated_at = $3::timestamptz FOR NO KEY UPDATE`,
      [orderId, claimToken, updatedAt],
    );
    return found !== undefined;
  }
}

interface Vendor {
  vendorId: string;
  consistencyLagMs: number;
}
