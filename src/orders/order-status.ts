/** What a client sees of an order. It only moves forward. */
export type OrderStatus = 'pending' | 'completed' | 'failed';

/**
 * What an order's quantity means for stock: `held`, the vendor does not know of it; `acknowledged`, the vendor accepted
 * it; `settled`, an applied listing contains it; `released`, it is free again.
 */
export type HoldState = 'held' | 'acknowledged' | 'settled' | 'released';

export type FailureReason = 'OUT_OF_STOCK' | 'UNKNOWN_SKU' | 'REFUSED' | 'CANCELLED' | 'RESOLVED_BY_OPERATOR';

export const ORDER_STATUSES: readonly OrderStatus[] = ['pending', 'completed', 'failed'];

/** Every step an order may take. `docs/order-lifecycle.md` is drawn from this table. */
export const orderSteps: readonly { from: OrderStatus; to: OrderStatus; when: string; hold: HoldState }[] = [
  { from: 'pending', to: 'completed', when: 'the vendor accepted it', hold: 'acknowledged' },
  {
    from: 'pending',
    to: 'completed',
    when: 'the vendor accepted it, and an applied listing contains it',
    hold: 'settled',
  },
  { from: 'pending', to: 'failed', when: 'the vendor refused it for good', hold: 'released' },
  { from: 'pending', to: 'failed', when: 'it was cancelled before anything was sent', hold: 'released' },
  { from: 'pending', to: 'failed', when: 'the vendor confirmed its cancellation', hold: 'released' },
  { from: 'pending', to: 'failed', when: 'an operator decided so about an order that was given up', hold: 'released' },
];

/** Every step a hold may take. */
export const holdSteps: readonly { from: HoldState; to: HoldState; when: string }[] = [
  { from: 'held', to: 'acknowledged', when: 'the vendor accepted the order' },
  { from: 'held', to: 'settled', when: 'the vendor accepted the order, and an applied listing contains it already' },
  { from: 'acknowledged', to: 'settled', when: "a listing with a later time, by the vendor's clock, was applied" },
  { from: 'acknowledged', to: 'settled', when: "an operator confirmed that the vendor's number contains it" },
  { from: 'held', to: 'released', when: 'the vendor refused the order' },
  { from: 'held', to: 'released', when: 'the order was cancelled, if it had been sent with the vendor’s confirmation' },
  { from: 'held', to: 'released', when: 'an operator decided so about an order that was given up' },
];

/** Whether a hold is part of its product's `reserved_quantity`. */
export function isCounted(hold: HoldState): boolean {
  return hold === 'held' || hold === 'acknowledged';
}
