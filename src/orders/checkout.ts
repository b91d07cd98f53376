import { sumOf } from './money';
import type { Order } from './order';

export type CheckoutStatus = 'pending' | 'completed' | 'failed' | 'partially_failed';

/** Orders that were placed together, all or none. How it stands follows from them. */
export interface Checkout {
  checkoutId: string;
  status: CheckoutStatus;
  currency: string;
  /** Decimal text. */
  totalPrice: string;
  orders: Order[];
}

export function checkoutOf(orders: [Order, ...Order[]]): Checkout {
  const [{ checkoutId, currency }] = orders;
  return {
    checkoutId: checkoutId!,
    status: statusOf(orders),
    currency,
    totalPrice: sumOf(orders.map(({ totalPrice }) => totalPrice)),
    orders,
  };
}

function statusOf(orders: Order[]): CheckoutStatus {
  const statuses = new Set(orders.map(({ status }) => status));
  if (statuses.has('pending')) return 'pending';
  if (statuses.size === 2) return 'partially_failed';
  return statuses.has('completed') ? 'completed' : 'failed';
}
