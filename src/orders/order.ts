import type { FailureReason, HoldState, OrderStatus } from './order-status';

/** Units of a product an order may ask for. */
export const QUANTITY_MAX = 1_000_000;

/** An order as its client sees it. Money is decimal text; times are ISO 8601 UTC. */
export interface Order {
  orderId: string;
  productId: string;
  vendorId: string;
  quantity: number;
  unitPrice: string;
  totalPrice: string;
  currency: string;
  status: OrderStatus;
  failureReason: FailureReason | null;
  vendorOrderId: string | null;
  /** The checkout it was placed with. */
  checkoutId: string | null;
  /** It waits for an operator. */
  needsAttention: boolean;
  attentionReason: string | null;
  /** When a client asked for it to be cancelled. */
  cancelRequestedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface OrderRow {
  order_id: string;
  product_id: string;
  vendor_id: string;
  quantity: number;
  unit_price: string;
  total_price: string;
  currency: string;
  status: OrderStatus;
  failure_reason: FailureReason | null;
  hold_state: HoldState;
  vendor_order_id: string | null;
  checkout_id: string | null;
  needs_attention: boolean;
  attention_reason: string | null;
  cancel_requested_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

export const ORDER_COLUMNS = `order_id, product_id, vendor_id, quantity, unit_price, total_price, currency, status,
  failure_reason, hold_state, vendor_order_id, checkout_id, needs_attention, attention_reason, cancel_requested_at,
  created_at, updated_at`;

export function orderOf(found: OrderRow): Order {
  return {
    orderId: found.order_id,
    productId: found.product_id,
    vendorId: found.vendor_id,
    quantity: found.quantity,
    unitPrice: found.unit_price,
    totalPrice: found.total_price,
    currency: found.currency,
    status: found.status,
    failureReason: found.failure_reason,
    vendorOrderId: found.vendor_order_id,
    checkoutId: found.checkout_id,
    needsAttention: found.needs_attention,
    attentionReason: found.attention_reason,
    cancelRequestedAt: found.cancel_requested_at?.toISOString() ?? null,
    createdAt: found.created_at.toISOString(),
    updatedAt: found.updated_at.toISOString(),
  };
}

/** As it was answered to who placed it: nothing had happened to it yet. */
export function asPlaced(order: Order): Order {
  return {
    ...order,
    status: 'pending',
    failureReason: null,
    vendorOrderId: null,
    needsAttention: false,
    attentionReason: null,
    cancelRequestedAt: null,
    updatedAt: order.createdAt,
  };
}
