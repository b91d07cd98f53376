import { Injectable } from '@nestjs/common';
import { prepared, type Connection, row, type Transaction } from '../../database/sql';
import { storableText } from '../../database/storable';
import {
  atFormerAddress,
  FORMER_ADDRESS,
  type FormerAddressRow,
  formerAddressOf,
  JOIN_FORMER_ADDRESS,
} from '../../vendors/address.repository';
import type { Leave } from '../../vendors/breaker/breaker';
import { CALLS_ALLOWED, JOIN_ORDERS_BREAKER } from '../../vendors/breaker/breaker.repository';
import { SLOT_IS_FREE } from '../../vendors/slot.repository';
import type { Vendor } from '../../vendors/vendor';
import { VENDOR_COLUMNS, vendorOf, type VendorRow } from '../../vendors/vendor.repository';
import { ATTENTION_REASON_LENGTH_MAX, IS_PENDING, IS_UNDECIDED, TRIED_SINCE } from '../order.repository';
import { ATTEMPT_HISTORY, type AttemptHistory, type AttemptHistoryRow, historyOf } from './attempt.repository';

/** The right to dispatch one order, for as long as the lease lasts. */
export interface Claim {
  orderId: string;
  vendorId: string;
  productId: string;
  quantity: number;
  /** It has failed here, and its vendor accepted it afterwards: the vendor is asked to cancel it. */
  recalling: boolean;
  /** It was placed, asked back, or tried anew longer ago than an order is tried, by the database's clock. */
  tooOld: boolean;
  /** So many purchases were sent as its vendor allows. */
  usedUp: boolean;
  /** Nothing of it may be sent any more; the vendor is asked to cancel what was. */
  cancelRequested: boolean;
  /** Fencing token: guards our own writes. */
  token: string;
  /** The vendor's books that it is to be sent to, or was. */
  addressEpoch: number;
}

/** What an order's claim, attempts and age are bounded by. */
export interface TakeLimits {
  claimLeaseMs: number;
  vendorTotalMs: number;
  /** Where its vendor has no limit of its own. */
  deliveryAttemptsMax: number;
  deliveryAgeMsMax: number;
}

/** Why a vendor may be given no call at all: an operator has paused it, or its breaker is open for so long still. */
export interface Shut {
  vendor: Vendor;
  paused: boolean;
  openMs: number;
}

/** What taking an order came to. */
export type Taking =
  | { taken: false; because: 'nothingToDo' | 'noFreeSlot' }
  | { taken: false; because: 'shut'; shut: Shut }
  | {
      taken: true;
      claim: Claim;
      /** As it is at the address that is to be called: the one where what is not decided was sent. */
      vendor: Vendor;
      leave: Leave;
      history: AttemptHistory;
      /** The purchase may be sent: its attempt is committed. */
      sending: boolean;
      /** False where somebody else was quicker to the last free one: the claim must be given back. */
      hasSlot: boolean;
    };

interface TakenRow extends VendorRow, AttemptHistoryRow, FormerAddressRow {
  address_epoch: number;
  dispatchable: boolean;
  calls_allowed: number;
  paused: boolean;
  open_ms: number | null;
  opening: string | null;
  slot_is_free: boolean;
  product_id: string;
  quantity: number;
  token: string | null;
  cancel_requested: boolean;
  recalling: boolean;
  too_old: boolean;
  used_up: boolean;
  sending: boolean;
  has_slot: boolean;
}

/** An operator is not asked about it, or its client wants it cancelled all the same. */
const PENDING = `(${IS_PENDING} AND (NOT needs_attention OR cancel_requested_at IS NOT NULL))`;
const RECALLED = '(recall_requested_at IS NOT NULL AND NOT needs_attention)';
const DISPATCHABLE = `(${PENDING} OR ${RECALLED})`;
const UNCLAIMED = '(claimed_until IS NULL OR claimed_until <= clock_timestamp())';

/**
 * Of `claimed`, `history` and `seen`: the books that the call is about. What is open, or is to be cancelled, is asked about
 * where it was sent; a purchase goes to where the vendor is now. Read together with the address, and so of one moment: a
 * worker that was frozen since calls the address that its attempt names.
 */
const ADDRESS_EPOCH = `CASE WHEN history.open > 0 OR claimed.cancel_requested OR claimed.recalling
    THEN COALESCE(CASE WHEN claimed.recalling THEN seen.accepted_epoch END, history.sent_epoch, seen.address_epochs[1])
    ELSE seen.address_epochs[1] END`;

/**
 * Claims the order $1, takes a slot of its vendor and, where a purchase is next, opens its attempt: one statement and so
 * one transaction. (Eight round trips, each planned anew, were half of what an order cost the database.) The order is
 * locked before the slot, which is skipped where somebody else has it in hand: nobody waits for a slot. What was read of
 * the attempts stands for the present only while nobody has claimed the order since: hence the look at the token. An
 * attempt may last as long as its claim, not only as a call: a worker that was frozen in between may begin its call as late
 * as the claim still covers it, and a look-up proves nothing before that call is over.
 */
const TAKE = `
  WITH seen AS MATERIALIZED (
    SELECT ${VENDOR_COLUMNS}, tried_from, recall_requested_at AS recalled_at, claim_token AS token_seen,
           v.address_epochs, o.address_epoch AS accepted_epoch,
           ${DISPATCHABLE} AND ${UNCLAIMED} AS dispatchable,
           calls_allowed, paused, CASE WHEN open_until IS NOT NULL THEN opening END AS opening,
           extract(epoch FROM open_until - clock_timestamp())::float8 * 1000 AS open_ms,
           EXISTS (SELECT FROM vendor_slots s WHERE s.vendor_id = v.vendor_id AND ${SLOT_IS_FREE}) AS slot_is_free
    FROM orders o JOIN vendors v USING (vendor_id) ${JOIN_ORDERS_BREAKER}
      CROSS JOIN LATERAL (SELECT ${CALLS_ALLOWED} AS calls_allowed) allowed
    WHERE order_id = $1),
  history AS MATERIALIZED (
    SELECT ${ATTEMPT_HISTORY} FROM dispatch_attempts CROSS JOIN seen WHERE order_id = $1),
  claimed AS (
    UPDATE orders o SET claim_token = nextval('fencing_tokens'),
           claimed_until = clock_timestamp() + $2::integer * interval '1 ms'
    FROM seen, history
    WHERE order_id = $1 AND ${DISPATCHABLE} AND ${UNCLAIMED} AND claim_token = seen.token_seen AND seen.slot_is_free
    RETURNING product_id, quantity, claim_token AS token, cancel_requested_at IS NOT NULL AS cancel_requested,
              recall_requested_at IS NOT NULL AS recalling,
              ${TRIED_SINCE('o')} < clock_timestamp() - $4::float8 * interval '1 ms' AS too_old,
              history.counted >= COALESCE(seen.delivery_attempts_max, $3::integer) AS used_up),
  slot AS (
    UPDATE vendor_slots SET token = (SELECT token FROM claimed),
           leased_until = clock_timestamp() + $2::integer * interval '1 ms'
    WHERE (vendor_id, slot) = (
      SELECT s.vendor_id, s.slot FROM claimed CROSS JOIN seen v JOIN vendor_slots s USING (vendor_id)
      WHERE ${SLOT_IS_FREE} ORDER BY s.slot LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED)
    RETURNING slot),
  attempt AS (
    INSERT INTO dispatch_attempts (order_id, token, deadline_at, address_epoch)
    SELECT $1, token, clock_timestamp() + $2::integer * interval '1 ms', seen.address_epochs[1]
    FROM claimed, history, slot, seen
    WHERE open = 0 AND NOT recalling AND NOT cancel_requested AND NOT used_up AND NOT too_old
    RETURNING order_id),
  told AS (
    INSERT INTO order_events (order_id, type, detail)
    SELECT order_id, 'sent', format('Sent to %s, purchase %s.', seen.name, history.counted + 1)
    FROM attempt, seen, history)
  SELECT seen.*, history.*, claimed.*, EXISTS (SELECT FROM attempt) AS sending, EXISTS (SELECT FROM slot) AS has_slot,
         called.epoch AS address_epoch, ${FORMER_ADDRESS('called.epoch', 'seen')}
  FROM seen CROSS JOIN history LEFT JOIN claimed ON true CROSS JOIN LATERAL (SELECT ${ADDRESS_EPOCH} AS epoch) called
    ${JOIN_FORMER_ADDRESS('called.epoch', 'seen')}`;

@Injectable()
export class ClaimRepository {
  /**
   * Claims an order that nobody else has claimed: a pending one no operator is asked about, unless its client wants it
   * cancelled, or one that is recalled.
   */
  async take(on: Connection, orderId: string, limits: TakeLimits): Promise<Taking> {
    const { claimLeaseMs, deliveryAttemptsMax, deliveryAgeMsMax } = limits;
    const givenAt = performance.now();
    const values = [orderId, claimLeaseMs, deliveryAttemptsMax, deliveryAgeMsMax];
    const [found] = await prepared<TakenRow>(on, 'take-order-in-hand', TAKE, values);
    if (!found || found.token === null) return notTaken(found);
    const { vendor_id: vendorId, product_id: productId, quantity, token } = found;
    const former = formerAddressOf(found);
    return {
      taken: true,
      claim: {
        orderId,
        vendorId,
        productId,
        quantity,
        token,
        cancelRequested: found.cancel_requested,
        recalling: found.recalling,
        tooOld: found.too_old,
        usedUp: found.used_up,
        addressEpoch: found.address_epoch,
      },
      vendor: atFormerAddress(vendorOf(found), former),
      leave: { vendorId, operation: 'orders', opening: found.opening, givenAt, ...(former && { elsewhere: true }) },
      history: historyOf(found),
      sending: found.sending,
      hasSlot: found.has_slot,
    };
  }

  /** How long somebody else's claim still lasts, in milliseconds; undefined where there is nothing to dispatch. */
  async othersLeaseMs(on: Connection, orderId: string): Promise<number | undefined> {
    const found = await row<{ lease_ms: number }>(
      on,
      `SELECT GREATEST(0, extract(epoch FROM claimed_until - clock_timestamp()) * 1000)::float8 AS lease_ms
       FROM orders WHERE order_id = $1 AND ${DISPATCHABLE}`,
      [orderId],
    );
    return found && (found.lease_ms ?? 0);
  }

  /** Answers whether the claim was still ours to give back. */
  async release(tx: Transaction, { orderId, token }: Claim): Promise<boolean> {
    const released = await prepared(
      tx,
      'release-claim',
      `UPDATE orders SET claimed_until = NULL
       WHERE order_id = $1 AND claim_token = $2 AND ${IS_UNDECIDED} RETURNING order_id`,
      [orderId, token],
    );
    return released.length > 0;
  }

  /** Gives the claim back to an operator, who is to decide. Answers whether it was still ours to give back. */
  async handOver(tx: Transaction, { orderId, token }: Claim, reason: string): Promise<boolean> {
    const handedOver = await prepared(
      tx,
      'hand-over-claim',
      `UPDATE orders SET needs_attention = true, attention_reason = $3, claimed_until = NULL, updated_at = now()
       WHERE order_id = $1 AND claim_token = $2 AND ${IS_UNDECIDED} RETURNING order_id`,
      [orderId, token, storableText(reason, ATTENTION_REASON_LENGTH_MAX)],
    );
    return handedOver.length > 0;
  }
}

function notTaken(found: TakenRow | undefined): Taking {
  if (!found?.dispatchable || found.slot_is_free) return { taken: false, because: 'nothingToDo' };
  if (found.calls_allowed > 0) return { taken: false, because: 'noFreeSlot' };
  const { paused, open_ms: openMs } = found;
  return { taken: false, because: 'shut', shut: { vendor: vendorOf(found), paused, openMs: Math.max(0, openMs ?? 0) } };
}
