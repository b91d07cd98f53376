import { Injectable } from '@nestjs/common';
import { type Connection, prepared } from '../../database/sql';
import { CONTAINS_ACCEPTANCE, THE_PRODUCT } from '../../stock/stock.repository';
import type { Accepted } from '../../vendors/vendor-adapter';
import { SENT_AT } from './attempt.repository';
import type { Claim } from './claim.repository';

/**
 * Everything that an acceptance changes of a pending order whose cancellation nobody has asked for: product and order are
 * locked in the one order, the order is completed, the counter follows if the vendor's own number contains it already, and
 * attempts and slot are let go: one statement and so one transaction. What is read of the vendor may be a moment older than
 * the locks; then it is as if the acceptance had come that moment earlier. Attempts are asked for by the order's id as it was
 * given: joined with what was completed, a table without statistics was read whole for each order, at ten times the cost.
 */
const COMPLETE = `
  WITH product AS MATERIALIZED (
    SELECT p.as_of, p.observed_at FROM products p WHERE ${THE_PRODUCT} FOR NO KEY UPDATE),
  pending AS MATERIALIZED (
    SELECT order_id, ${SENT_AT('$3')} AS sent_at FROM orders
    WHERE order_id = $3 AND EXISTS (SELECT FROM product) AND status::text = 'pending' AND cancel_requested_at IS NULL
    FOR NO KEY UPDATE),
  picture AS (
    SELECT ${CONTAINS_ACCEPTANCE('$4', 'pending.sent_at', '$8::integer')} AS contained
    FROM product p CROSS JOIN pending CROSS JOIN vendors v WHERE v.vendor_id = $1),
  completed AS (
    UPDATE orders o
    SET status = 'completed', vendor_order_id = $5, accepted_at = $4, acknowledged_at = clock_timestamp(),
        sent_at = pending.sent_at, address_epoch = $8::integer,
        hold_state = CASE WHEN picture.contained THEN 'settled' ELSE 'acknowledged' END::hold_state,
        needs_attention = false, attention_reason = NULL, claimed_until = NULL, updated_at = now()
    FROM pending, picture WHERE o.order_id = pending.order_id
    RETURNING o.order_id, o.quantity, o.hold_state),
  unreserved AS (
    UPDATE products p SET reserved_quantity = reserved_quantity - completed.quantity, updated_at = now()
    FROM completed WHERE ${THE_PRODUCT} AND completed.hold_state = 'settled'),
  told AS (
    INSERT INTO order_events (order_id, type, detail) SELECT order_id, 'completed', $6 FROM completed),
  closed AS (
    UPDATE dispatch_attempts
    SET outcome = 'accepted', detail = $5, counted = true, finished_at = clock_timestamp(),
        closed_at = COALESCE(closed_at, clock_timestamp())
    WHERE order_id = $3 AND token = $7 AND EXISTS (SELECT FROM completed)),
  others_closed AS (
    UPDATE dispatch_attempts SET closed_at = clock_timestamp()
    WHERE order_id = $3 AND closed_at IS NULL AND token <> $7 AND EXISTS (SELECT FROM completed)),
  freed AS (
    UPDATE vendor_slots SET token = NULL, leased_until = NULL
    WHERE vendor_id = $1 AND token = $7 AND EXISTS (SELECT FROM completed))
  SELECT order_id FROM completed`;

@Injectable()
export class AcceptanceRepository {
  /** Answers false, and changes nothing, where the order is decided already or its cancellation was asked for. */
  async complete(
    on: Connection,
    claim: Claim,
    { vendorOrderId, acceptedAt }: Accepted,
    story: string,
  ): Promise<boolean> {
    const { vendorId, productId, orderId, token, addressEpoch } = claim;
    const values = [vendorId, productId, orderId, acceptedAt, vendorOrderId, story, token, addressEpoch];
    return (await prepared(on, 'complete-accepted', COMPLETE, values)).length > 0;
  }
}
