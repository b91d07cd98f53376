import { Injectable } from '@nestjs/common';
import { prepared, row, rows, type Transaction } from '../database/sql';
import { type Order, ORDER_COLUMNS, orderOf, type OrderRow } from './order';
import type { FailureReason, HoldState, OrderStatus } from './order-status';

export interface NewOrder {
  orderId: string;
  vendorId: string;
  productId: string;
  quantity: number;
  unitPrice: string;
  currency: string;
  /** What could be sold when it was granted. */
  availableQuantity: number;
  client: string;
  checkoutId: string | null;
}

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
}

/** The order row and its state. Every change is one guarded statement; the counters follow what it really changed. */
@Injectable()
export class OrderRepository {
  /** Writes orders and the first event of each. */
  async insert(tx: Transaction, placed: NewOrder[]): Promise<Order[]> {
    const inserted = await prepared<OrderRow>(
      tx,
      'insert-orders',
      `WITH inserted AS (
         INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency,
                             available_quantity, client, checkout_id)
         SELECT order_id, vendor_id, product_id, quantity, unit_price, unit_price * quantity, currency, available, client,
                checkout_id
         FROM unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::integer[], $5::numeric[], $6::varchar[],
                     $7::integer[], $8::varchar[], $9::varchar[])
           AS placed (order_id, vendor_id, product_id, quantity, unit_price, currency, available, client, checkout_id)
         RETURNING *),
       told AS (
         INSERT INTO order_events (order_id, type, detail)
         SELECT order_id, 'placed', format('%s reserved of %s that could be sold.', quantity, available_quantity)
         FROM inserted)
       SELECT ${ORDER_COLUMNS} FROM inserted`,
      [
        placed.map(({ orderId }) => orderId),
        placed.map(({ vendorId }) => vendorId),
        placed.map(({ productId }) => productId),
        placed.map(({ quantity }) => quantity),
        placed.map(({ unitPrice }) => unitPrice),
        placed.map(({ currency }) => currency),
        placed.map(({ availableQuantity }) => availableQuantity),
        placed.map(({ client }) => client),
        placed.map(({ checkoutId }) => checkoutId),
      ],
    );
    return inserted.map(orderOf);
  }

  /** Lock the product before. */
  async lock(tx: Transaction, orderId: string): Promise<LockedOrder> {
    const found = (await row<OrderRow>(
      tx,
      `SELECT ${ORDER_COLUMNS} FROM orders WHERE order_id = $1 FOR NO KEY UPDATE`,
      [orderId],
    ))!;
    return {
      orderId,
      vendorId: found.vendor_id,
      productId: found.product_id,
      quantity: found.quantity,
      status: found.status,
      failureReason: found.failure_reason,
      holdState: found.hold_state,
      needsAttention: found.needs_attention,
      cancelRequested: found.cancel_requested_at !== null,
    };
  }

  /** pending → completed. */
  async complete(
    tx: Transaction,
    orderId: string,
    { vendorOrderId, acceptedAt, holdState }: { vendorOrderId: string; acceptedAt: Date; holdState: HoldState },
  ): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET status = 'completed', hold_state = $4, vendor_order_id = $2, accepted_at = $3,
              acknowledged_at = clock_timestamp(), needs_attention = false, attention_reason = NULL,
              claimed_until = NULL, updated_at = now()
       WHERE order_id = $1 AND status = 'pending'`,
      [orderId, vendorOrderId, acceptedAt, holdState],
    );
  }

  /** pending → failed. */
  async fail(tx: Transaction, orderId: string, reason: FailureReason): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET status = 'failed', failure_reason = $2, hold_state = 'released', needs_attention = false,
              attention_reason = NULL, claimed_until = NULL, updated_at = now()
       WHERE order_id = $1 AND status = 'pending'`,
      [orderId, reason],
    );
  }

  /** From now on nothing of it is sent. A second request changes nothing. */
  async requestCancellation(tx: Transaction, orderId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET cancel_requested_at = now(), updated_at = now()
       WHERE order_id = $1 AND status = 'pending' AND cancel_requested_at IS NULL`,
      [orderId],
    );
  }

  /** The order waits for an operator from now on, and nobody dispatches it. */
  async needAttention(tx: Transaction, orderId: string, reason: string): Promise<void> {
    await rows(
      tx,
      `UPDATE orders SET needs_attention = true, attention_reason = $2, claimed_until = NULL, updated_at = now()
       WHERE order_id = $1`,
      [orderId, reason],
    );
  }
}
