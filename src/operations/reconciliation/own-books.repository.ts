import { Injectable } from '@nestjs/common';
import { type Connection, rows } from '../../database/sql';
import { timestampText } from '../../http/cursor';
import { VIOLATIONS_LISTED_MAX } from '../consistency/violation-list';
import type { Finding } from './case';

/** Findings of one kind that a run files of a vendor; the others follow once some are resolved. */
export const FINDINGS_MAX = VIOLATIONS_LISTED_MAX;
/** A message that is due for so long is taken by nobody. */
const LEFT_FOR_MS = 600_000;
/** So many complete listings were applied since: one that does not settle a hold by then never will. */
const LISTINGS_MIN = 3;

/** Differences within our own books that one statement finds, each in the order of its subjects. */
@Injectable()
export class OwnBooksRepository {
  /** Products of which more is promised than their vendor has, since an order that is so old, or with an open case. */
  async soldUnderUs(on: Connection, vendorId: string, forMs: number): Promise<Finding[]> {
    const found = await rows<{
      productId: string;
      vendorQuantity: number;
      reservedQuantity: number;
      oldest: string;
      since: Date;
      orders: number;
      acknowledged: number;
    }>(
      on,
      `SELECT p.product_id AS "productId", p.vendor_quantity AS "vendorQuantity", p.reserved_quantity AS "reservedQuantity",
              held.oldest, held.since, held.orders, held.acknowledged
       FROM (
         SELECT product_id, min(order_id) AS oldest, min(created_at) AS since, count(*)::integer AS orders,
                COALESCE(sum(quantity) FILTER (WHERE hold_state = 'acknowledged'), 0)::integer AS acknowledged
         FROM orders
         WHERE vendor_id = $1 AND hold_state IN ('held', 'acknowledged') GROUP BY product_id) held
         JOIN products p ON p.vendor_id = $1 AND p.product_id = held.product_id
       WHERE p.reserved_quantity > p.vendor_quantity
         AND (held.since < now() - $2::integer * interval '1 ms' OR EXISTS (
           SELECT FROM reconciliation_cases c
           WHERE c.subject = p.product_id AND c.kind = 'soldUnderUs' AND c.status = 'open'))
       ORDER BY p.product_id LIMIT $3`,
      [vendorId, forMs, FINDINGS_MAX],
    );
    return found.map(({ productId, oldest, since, ...evidence }) => {
      const excess = evidence.reservedQuantity - evidence.vendorQuantity;
      return {
        ...aboutProduct('soldUnderUs', productId),
        essence: essenceOf(oldest, excess),
        evidence: { ...evidence, excess, since: since.toISOString() },
        resolutions: ['cancelNewest', 'dismiss'],
      };
    });
  }

  /** Products with holds that the vendor's listings, though complete and later, have not settled. */
  async holdsNeverSettle(on: Connection, vendorId: string): Promise<Finding[]> {
    const found = await rows<{
      productId: string;
      orders: number;
      quantity: number;
      oldest: string;
      acknowledgedFrom: string;
      acknowledgedUntil: string;
      feedMaxAgeMs: number | null;
    }>(
      on,
      `WITH vendor AS (
         SELECT feed_max_age_ms, (COALESCE(feed_max_age_ms, 0) + clock_margin_ms) * interval '1 ms' AS late
         FROM vendors WHERE vendor_id = $1),
       listing AS (
         SELECT min(polled_at) AS polled_at FROM stock_sync_runs
         WHERE vendor_id = $1 AND kind = 'full' AND status = 'succeeded' AND seen > 0
         GROUP BY COALESCE(as_of::text, sync_run_id)
         ORDER BY min(started_at) DESC OFFSET ${LISTINGS_MIN - 1} LIMIT 1)
       SELECT product_id AS "productId", count(*)::integer AS orders, sum(quantity)::integer AS quantity,
              min(order_id) AS oldest, ${timestampText('min(acknowledged_at)')} AS "acknowledgedFrom",
              ${timestampText('max(acknowledged_at)')} AS "acknowledgedUntil",
              min(feed_max_age_ms) AS "feedMaxAgeMs"
       FROM orders CROSS JOIN vendor CROSS JOIN listing
       WHERE vendor_id = $1 AND hold_state = 'acknowledged' AND acknowledged_at + late < polled_at
       GROUP BY product_id ORDER BY product_id LIMIT $2`,
      [vendorId, FINDINGS_MAX],
    );
    return found.map(({ productId, oldest, ...evidence }) => ({
      ...aboutProduct('holdsNeverSettle', productId),
      essence: essenceOf(oldest, evidence.quantity),
      evidence,
      resolutions: ['settle', 'dismiss'],
    }));
  }

  /** Messages, due for long, about orders that are decided, or about none. */
  async messagesWithoutOrder(on: Connection, vendorId: string): Promise<Finding[]> {
    const found = await rows<{
      subject: string;
      orderId: string | null;
      productId: string | null;
      status: string | null;
      messages: number;
      dueSince: Date;
      type: string;
    }>(
      on,
      `SELECT m.subject, o.order_id AS "orderId", o.product_id AS "productId", o.status, count(*)::integer AS messages,
              min(m.due_at) AS "dueSince", min(m.type) AS type
       FROM outbox m LEFT JOIN orders o ON o.order_id = m.subject
       WHERE m.vendor_id = $1 AND m.due_at < now() - ${LEFT_FOR_MS} * interval '1 ms'
         AND (m.leased_until IS NULL OR m.leased_until <= now())
         AND (o.order_id IS NULL OR (o.status <> 'pending' AND o.recall_requested_at IS NULL))
       GROUP BY m.subject, o.order_id ORDER BY m.subject LIMIT $2`,
      [vendorId, FINDINGS_MAX],
    );
    return found.map(({ subject, orderId, productId, dueSince, ...evidence }) => ({
      kind: 'messageWithoutOrder',
      subject,
      orderId,
      productId,
      essence: '',
      evidence: { subject, ...evidence, dueSince: dueSince.toISOString() },
      resolutions: ['discard'],
      claimToken: null,
    }));
  }

  /** The sync that waits for an operator. */
  async heldSyncs(on: Connection, vendorId: string): Promise<Finding[]> {
    const found = await rows<{
      syncRunId: string;
      heldFor: string;
      error: string | null;
      seen: number;
      missing: number;
      asOf: Date | null;
      polledAt: Date | null;
    }>(
      on,
      `SELECT sync_run_id AS "syncRunId", held_for AS "heldFor", error, seen, missing, as_of AS "asOf",
              polled_at AS "polledAt"
       FROM stock_sync_runs WHERE vendor_id = $1 AND status = 'held' ORDER BY sync_run_id LIMIT $2`,
      [vendorId, FINDINGS_MAX],
    );
    return found.map(({ asOf, polledAt, ...evidence }) => ({
      kind: 'heldSync',
      subject: evidence.syncRunId,
      orderId: null,
      productId: null,
      essence: '',
      evidence: { ...evidence, asOf: asOf?.toISOString() ?? null, polledAt: polledAt?.toISOString() ?? null },
      resolutions: ['acceptRun', 'rejectRun'],
      claimToken: null,
    }));
  }
}

function aboutProduct<Kind extends Finding['kind']>(kind: Kind, productId: string) {
  return { kind, subject: productId, orderId: null, productId, claimToken: null };
}

/** The oldest may stay for good, however many join it: what was dismissed is told of anew once it is some two times as much. */
function essenceOf(oldest: string, units: number): string {
  return `${oldest} ${Math.floor(Math.log2(units))}`;
}
