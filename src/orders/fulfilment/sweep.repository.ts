import { Injectable } from '@nestjs/common';
import { type Connection, rows, type Transaction } from '../../database/sql';
import { IS_UNDECIDED, TRIED_SINCE } from '../order.repository';

/** What an operator is told of an order that has grown too old. */
export interface AgeReasons {
  notPlaced: string;
  /** Its client, or an operator, asked for that. */
  notCancelled: string;
  /** Its vendor had accepted it too late. */
  notRecalled: string;
}

export type FlaggedForAge = Stranded & { reason: string };

/** An order that has no message. */
export interface Stranded {
  orderId: string;
  vendorId: string;
}

/** The same, as it is told. */
export interface Found {
  orderId: string;
  productId: string;
  /** It was placed, or tried anew. */
  since: Date;
}

/**
 * Orders that somebody should dispatch, and of which the database knows no message: none in the outbox, nobody has it in
 * hand, and no operator has been told of it. $1: younger ones, in milliseconds, may just be on their way. Only open orders
 * are read, whatever the number of others.
 */
const STRANDED = `
  (SELECT order_id, vendor_id, created_at, tried_from, claimed_until, needs_attention FROM orders
   WHERE status = 'pending'
   UNION ALL
   SELECT order_id, vendor_id, created_at, tried_from, claimed_until, needs_attention FROM orders
   WHERE recall_requested_at IS NOT NULL) o
  WHERE NOT o.needs_attention AND o.created_at < now() - $1::integer * interval '1 ms'
    AND (o.claimed_until IS NULL OR o.claimed_until < now() - $1::integer * interval '1 ms')
    AND NOT EXISTS (SELECT FROM outbox m WHERE m.subject = o.order_id)`;

/** One to be sent on its way again, within its trace. */
export type StrandedInTrace = Stranded & { traceparent: string | null };

/** Orders that one statement flags; the others by the next sweep. */
const FLAGGED_MAX = 1000;

/** Of a row that is locked: it may have been decided since it was found stranded. */
const STILL_OPEN = `${IS_UNDECIDED} AND NOT needs_attention`;

/** $1: milliseconds. */
const LONG_AGO = `now() - $1::float8 * interval '1 ms'`;

/** A letter of before a replay says nothing of the message that the replay sent. */
const GIVEN_UP = `EXISTS (SELECT FROM dead_letters d WHERE d.order_id = o.order_id AND d.status = 'open'
                            AND (o.tried_from IS NULL OR d.created_at >= o.tried_from))`;

@Injectable()
export class SweepRepository {
  /** How many there are of each vendor. */
  async count(on: Connection, ageMsMin: number): Promise<Map<string, number>> {
    const found = await rows<{ vendor_id: string; count: number }>(
      on,
      `SELECT o.vendor_id, count(*)::integer AS count FROM ${STRANDED} GROUP BY o.vendor_id`,
      [ageMsMin],
    );
    return new Map(found.map(({ vendor_id, count }) => [vendor_id, count]));
  }

  /** The oldest of a vendor, in the order of their ids; nobody keeps them from being dispatched meanwhile. */
  oldest(on: Connection, vendorId: string, ageMsMin: number, limit: number): Promise<Found[]> {
    return rows(
      on,
      `SELECT order_id AS "orderId", product_id AS "productId", COALESCE(tried_from, created_at) AS since FROM orders
       WHERE order_id IN (SELECT o.order_id FROM ${STRANDED} AND o.vendor_id = $2 ORDER BY o.created_at LIMIT $3)
       ORDER BY order_id`,
      [ageMsMin, vendorId, limit],
    );
  }

  /** The oldest of a vendor, locked in the one order; what somebody else has locked is left to him. */
  async lockOldest(tx: Transaction, vendorId: string, ageMsMin: number, limit: number): Promise<StrandedInTrace[]> {
    const found = await rows<{ order_id: string; traceparent: string | null }>(
      tx,
      `SELECT order_id, traceparent FROM orders WHERE order_id IN (
         SELECT o.order_id FROM ${STRANDED} AND o.vendor_id = $2 ORDER BY o.created_at LIMIT $3)
       ORDER BY order_id FOR NO KEY UPDATE SKIP LOCKED`,
      [ageMsMin, vendorId, limit],
    );
    return found.map(({ order_id: orderId, traceparent }) => ({ orderId, vendorId, traceparent }));
  }

  /** Has an operator asked about orders whose message is a dead letter. Answers which, and why. */
  async flagGivenUp(tx: Transaction, ageMsMin: number): Promise<{ orderId: string; reason: string }[]> {
    const flagged = await rows<{ order_id: string; attention_reason: string }>(
      tx,
      `UPDATE orders SET needs_attention = true, updated_at = now(), attention_reason = COALESCE(
         (SELECT d.cause FROM dead_letters d WHERE d.order_id = orders.order_id AND d.status = 'open'
          ORDER BY d.created_at DESC LIMIT 1), 'Its message is a dead letter.')
       WHERE order_id IN (
         SELECT order_id FROM orders
         WHERE order_id IN (SELECT o.order_id FROM ${STRANDED} AND ${GIVEN_UP}) AND ${STILL_OPEN}
         ORDER BY order_id LIMIT ${FLAGGED_MAX} FOR NO KEY UPDATE SKIP LOCKED)
       RETURNING order_id, attention_reason`,
      [ageMsMin],
    );
    return flagged.map(({ order_id, attention_reason }) => ({ orderId: order_id, reason: attention_reason }));
  }

  /**
   * Has an operator asked about orders that have been tried, or have waited, for longer than `ageMsMax`, to be placed or, where
   * the vendor accepted them too late, to be cancelled there: the vendor is paused, or their messages wait behind others.
   * Answers which.
   */
  async flagTooOld(tx: Transaction, ageMsMax: number, reasons: AgeReasons): Promise<FlaggedForAge[]> {
    const flagged = await rows<{ order_id: string; vendor_id: string; attention_reason: string }>(
      tx,
      `UPDATE orders SET needs_attention = true, updated_at = now(),
         attention_reason = CASE WHEN status <> 'pending' THEN $4::varchar WHEN cancel_requested_at IS NULL THEN $2::varchar
           ELSE $3::varchar END
       WHERE order_id IN (
         SELECT order_id FROM orders
         WHERE order_id IN (
             SELECT order_id FROM orders
             WHERE status = 'pending' AND NOT needs_attention AND created_at < ${LONG_AGO} AND ${TRIED_SINCE('orders')} < ${LONG_AGO}
             UNION ALL
             SELECT order_id FROM orders
             WHERE NOT needs_attention AND GREATEST(recall_requested_at, tried_from) < ${LONG_AGO}
               AND recall_requested_at IS NOT NULL)
           AND ${STILL_OPEN} AND (claimed_until IS NULL OR claimed_until < now())
         ORDER BY order_id LIMIT ${FLAGGED_MAX} FOR NO KEY UPDATE SKIP LOCKED)
       RETURNING order_id, vendor_id, attention_reason`,
      [ageMsMax, reasons.notPlaced, reasons.notCancelled, reasons.notRecalled],
    );
    return flagged.map(({ order_id, vendor_id, attention_reason }) => ({
      orderId: order_id,
      vendorId: vendor_id,
      reason: attention_reason,
    }));
  }
}
