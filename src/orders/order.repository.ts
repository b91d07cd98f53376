import { Injectable } from '@nestjs/common';
import { type Connection, prepared, rows, type Transaction } from '../database/sql';
import { storableText } from '../database/storable';
import { ORDER_COLUMNS, type OrderRow } from './order';
import type { FailureReason, HoldState, OrderStatus } from './order-status';

/** An order nobody else can change until the transaction ends. */
export interface LockedOrder {
  orderId: string;
  vendorId: string;
  productId: string;
  quantity: number;
  status: OrderStatus;
  failureReason: FailureReason | null;
  holdState: HoldState;
  needsAttention: boolean;
  cancelRequested: boolean;
  /** Somebody dispatches it at this moment. */
  claimed: boolean;
  /** It has failed, and its vendor is asked to cancel what it accepted afterwards. */
  recalled: boolean;
  /** Its trace goes on below this. */
  traceparent: string | null;
}

/** What its vendor's acceptance makes of an order. */
export interface Completion {
  vendorOrderId: string;
  /** Vendor's clock. */
  acceptedAt: Date;
  /** Our clock: from when on it may have been bought. Null: not known. */
  sentAt: string | null;
  /** The vendor's books that have it. */
  addressEpoch: number;
  holdState: HoldState;
}

/** What of an order matters to whoever would have it tried again. */
export interface OrderStanding {
  orderId: string;
  vendorId: string;
  status: OrderStatus;
  needsAttention: boolean;
  /** It has failed, and its vendor is asked to cancel what it accepted afterwards. */
  recalled: boolean;
  /** Its trace goes on below this. */
  traceparent: string | null;
}

/**
 * As text, so that the planner does not see the index of pending orders in it: that is short while it looks, and a plan
 * that reads it whole for one order stays when ten thousand are pending.
 */
export const IS_PENDING = `status::text = 'pending'`;
/** Something of it is still to be done at its vendor: to place it, or to cancel what was accepted too late. */
export const IS_UNDECIDED = `(${IS_PENDING} OR recall_requested_at IS NOT NULL)`;

/**
 * From when on the age of the row `order` counts. What is asked of an old order, to cancel it at its vendor, is tried as long as any order is:
 * measured from placing, a cancellation of one that is a day old would be given up at the first answer that is none.
 */
export const TRIED_SINCE = (order: string): string =>
  `GREATEST(COALESCE(${order}.tried_from, ${order}.created_at), ${order}.cancel_requested_at, ${order}.recall_requested_at)`;

const STANDING = `SELECT order_id AS "orderId", vendor_id AS "vendorId", status, needs_attention AS "needsAttention",
  recall_requested_at IS NOT NULL AS recalled, traceparent FROM orders WHERE order_id = ANY ($1)`;

type LockedRow = OrderRow & { traceparent: string | null; claimed: boolean; recalled: boolean };

/** Characters of why an order waits for an operator. */
export const ATTENTION_REASON_LENGTH_MAX = 1000;

/** The order row and its state. Every change is one guarded statement; the counters follow what it really changed. */
@Injectable()
export class OrderRepository {
  /** Lock the product before. */
  async lock(tx: Transaction, orderId: string): Promise<LockedOrder> {
    const [found] = await prepared<LockedRow>(
      tx,
      'lock-order',
      `SELECT ${ORDER_COLUMNS}, traceparent, recall_requested_at IS NOT NULL AS recalled,
              COALESCE(claimed_until > clock_timestamp(), false) AS claimed
       FROM orders WHERE order_id = $1 FOR NO KEY UPDATE`,
      [orderId],
    );
    return lockedOrderOf(found!);
  }

  /** Those of the ids that are orders. */
  standing(on: Connection, orderIds: string[]): Promise<OrderStanding[]> {
    return rows(on, STANDING, [orderIds]);
  }

  /** The same, locked in the one order. For changes that leave the stock alone. */
  lockAll(tx: Transaction, orderIds: string[]): Promise<OrderStanding[]> {
    return rows(tx, `${STANDING} ORDER BY order_id FOR NO KEY UPDATE`, [orderIds]);
  }

  /** pending → completed. */
  async complete(
    tx: Transaction,
    orderId: string,
    { vendorOrderId, acceptedAt, sentAt, addressEpoch, holdState }: Completion,
  ): Promise<void> {
    await prepared(
      tx,
      'complete-order',
      `UPDATE orders SET status = 'completed', hold_state = $4, vendor_order_id = $2, accepted_at = $3,
              sent_at = $5, address_epoch = $6, acknowledged_at = clock_timestamp(), needs_attention = false, attention_reason = NULL,
              claimed_until = NULL, updated_at = now()
       WHERE order_id = $1 AND ${IS_PENDING}`,
      [orderId, vendorOrderId, acceptedAt, holdState, sentAt, addressEpoch],
    );
  }

  /** pending → failed. */
  async fail(tx: Transaction, orderId: string, reason: FailureReason): Promise<void> {
    await prepared(
      tx,
      'fail-order',
      `UPDATE orders SET status = 'failed', failure_reason = $2, hold_state = 'released', needs_attention = false,
              attention_reason = NULL, claimed_until = NULL, updated_at = now()
       WHERE order_id = $1 AND ${IS_PENDING}`,
      [orderId, reason],
    );
  }

  /** From now on nothing of it is sent. A second request changes nothing. */
  async requestCancellation(tx: Transaction, orderId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET cancel_requested_at = now(), updated_at = now()
       WHERE order_id = $1 AND ${IS_PENDING} AND cancel_requested_at IS NULL`,
      [orderId],
    );
  }

  /**
   * The vendor is asked to cancel an order that has failed, in the books that have it; where it was sent last, when absent.
   * Answers false where it is asked already.
   */
  async requestRecall(tx: Transaction, orderId: string, addressEpoch: number | null = null): Promise<boolean> {
    const requested = await rows(
      tx,
      `UPDATE orders SET recall_requested_at = now(), claimed_until = NULL, updated_at = now(),
              address_epoch = COALESCE($2, address_epoch)
       WHERE order_id = $1 AND status = 'failed' AND recall_requested_at IS NULL RETURNING order_id`,
      [orderId, addressEpoch],
    );
    return requested.length > 0;
  }

  /** Answers whether it was recalled. */
  async endRecall(tx: Transaction, orderId: string): Promise<boolean> {
    const ended = await rows(
      tx,
      `UPDATE orders SET recall_requested_at = NULL, claimed_until = NULL, updated_at = now()
       WHERE order_id = $1 AND recall_requested_at IS NOT NULL RETURNING order_id`,
      [orderId],
    );
    return ended.length > 0;
  }

  /** The order waits for an operator from now on, and nobody dispatches it. */
  async needAttention(tx: Transaction, orderId: string, reason: string): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET needs_attention = true, attention_reason = $2, claimed_until = NULL, updated_at = now()
       WHERE order_id = $1`,
      [orderId, storableText(reason, ATTENTION_REASON_LENGTH_MAX)],
    );
  }

  /** A failed order waits for nobody any more: neither for its vendor to cancel it, nor for an operator. */
  async letBe(tx: Transaction, orderId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET recall_requested_at = NULL, claimed_until = NULL, needs_attention = false,
              attention_reason = NULL, updated_at = now()
       WHERE order_id = $1 AND status = 'failed' AND (recall_requested_at IS NOT NULL OR needs_attention)`,
      [orderId],
    );
  }

  /** The vendor has a completed order under another name than it had told. */
  async rename(tx: Transaction, orderId: string, vendorOrderId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET vendor_order_id = $2, updated_at = now() WHERE order_id = $1 AND status = 'completed'`,
      [orderId, vendorOrderId],
    );
  }

  /** Fencing token of the order's last dispatch; it grows with each. */
  async lastClaim(on: Connection, orderId: string): Promise<string | undefined> {
    const statement = 'SELECT claim_token AS "claimToken" FROM orders WHERE order_id = $1';
    return (await rows<{ claimToken: string }>(on, statement, [orderId]))[0]?.claimToken;
  }

  /** A product's orders that are still to be placed and that nobody wants cancelled yet, newest first. */
  toBePlaced(
    on: Connection,
    vendorId: string,
    productId: string,
    limit: number,
  ): Promise<{ orderId: string; quantity: number }[]> {
    return rows(
      on,
      `SELECT order_id AS "orderId", quantity FROM orders
       WHERE vendor_id = $1 AND product_id = $2 AND hold_state = 'held' AND cancel_requested_at IS NULL
       ORDER BY created_at DESC, order_id DESC LIMIT $3`,
      [vendorId, productId, limit],
    );
  }

  /** Units of a product that its vendor is being asked to cancel; they are held until it has. */
  async unitsAskedBack(on: Connection, vendorId: string, productId: string): Promise<number> {
    const statement = `SELECT COALESCE(sum(quantity), 0)::integer AS units FROM orders
      WHERE vendor_id = $1 AND product_id = $2 AND hold_state = 'held' AND cancel_requested_at IS NOT NULL`;
    return (await rows<{ units: number }>(on, statement, [vendorId, productId]))[0]!.units;
  }

  /** Undecided orders no longer wait for an operator: what was tried before no longer counts towards any limit. */
  async tryAnew(tx: Transaction, orderIds: string[]): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET needs_attention = false, attention_reason = NULL, tried_from = clock_timestamp(),
              updated_at = now()
       WHERE order_id = ANY ($1) AND ${IS_UNDECIDED}`,
      [orderIds],
    );
  }
}

function lockedOrderOf(found: LockedRow): LockedOrder {
  return {
    orderId: found.order_id,
    vendorId: found.vendor_id,
    productId: found.product_id,
    quantity: found.quantity,
    status: found.status,
    failureReason: found.failure_reason,
    holdState: found.hold_state,
    needsAttention: found.needs_attention,
    cancelRequested: found.cancel_requested_at !== null,
    claimed: found.claimed,
    recalled: found.recalled,
    traceparent: found.traceparent,
  };
}
