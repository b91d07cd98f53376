import { Injectable } from '@nestjs/common';
import { type Connection, row, type Transaction } from '../../database/sql';

/** The right to dispatch one order, for as long as the lease lasts. */
export interface Claim {
  orderId: string;
  vendorId: string;
  productId: string;
  quantity: number;
  /** How old the order is, by the database's clock. */
  ageMs: number;
  /** Nothing of it may be sent any more; the vendor is asked to cancel what was. */
  cancelRequested: boolean;
  /** Fencing token: guards our own writes. */
  token: string;
}

/** An operator is not asked about it, or its client wants it cancelled all the same. */
const DISPATCHABLE = '(NOT needs_attention OR cancel_requested_at IS NOT NULL)';

@Injectable()
export class ClaimRepository {
  /**
   * Claims a pending order that nobody else has claimed and no operator is asked about, unless its client wants it
   * cancelled.
   */
  async take(tx: Transaction, orderId: string, leaseMs: number): Promise<Claim | undefined> {
    const taken = await row<{
      vendor_id: string;
      product_id: string;
      quantity: number;
      age_ms: number;
      cancel_requested: boolean;
      claim_token: string;
    }>(
      tx,
      `UPDATE orders SET claim_token = nextval('fencing_tokens'),
              claimed_until = clock_timestamp() + $2::integer * interval '1 ms'
       WHERE order_id = $1 AND status = 'pending' AND ${DISPATCHABLE}
         AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
       RETURNING vendor_id, product_id, quantity, claim_token, cancel_requested_at IS NOT NULL AS cancel_requested,
                 (extract(epoch FROM clock_timestamp() - created_at) * 1000)::float8 AS age_ms`,
      [orderId, leaseMs],
    );
    return (
      taken && {
        orderId,
        vendorId: taken.vendor_id,
        productId: taken.product_id,
        quantity: taken.quantity,
        ageMs: taken.age_ms,
        cancelRequested: taken.cancel_requested,
        token: taken.claim_token,
      }
    );
  }

  /** How long somebody else's claim still lasts, in milliseconds; undefined where there is nothing to dispatch. */
  async othersLeaseMs(on: Connection, orderId: string): Promise<number | undefined> {
    const found = await row<{ lease_ms: number }>(
      on,
      `SELECT GREATEST(0, extract(epoch FROM claimed_until - clock_timestamp()) * 1000)::float8 AS lease_ms
       FROM orders WHERE order_id = $1 AND status = 'pending' AND ${DISPATCHABLE}`,
      [orderId],
    );
    return found && (found.lease_ms ?? 0);
  }

  /** Answers whether the claim was still ours and the order still to be sent. */
  async extendToSend(tx: Transaction, { orderId, token }: Claim, leaseMs: number): Promise<boolean> {
    const extended = await row(
      tx,
      `UPDATE orders SET claimed_until = clock_timestamp() + $3::integer * interval '1 ms'
       WHERE order_id = $1 AND claim_token = $2 AND status = 'pending' AND cancel_requested_at IS NULL
         AND claimed_until > clock_timestamp()
       RETURNING order_id`,
      [orderId, token, leaseMs],
    );
    return extended !== undefined;
  }

  /** Answers whether the claim was still ours to give back. */
  async release(tx: Transaction, { orderId, token }: Claim): Promise<boolean> {
    const released = await row(
      tx,
      `UPDATE orders SET claimed_until = NULL
       WHERE order_id = $1 AND claim_token = $2 AND status = 'pending' RETURNING order_id`,
      [orderId, token],
    );
    return released !== undefined;
  }
}
