/** Something that is always true of each row, as SQL. */
export interface Invariant {
  name: string;
  /** A condition that is never null. */
  holds: string;
  /** What the row should have, and has, as text. */
  expected: string;
  found: string;
}

/** Where one does not hold. */
export interface Violation {
  invariant: string;
  productId?: string;
  orderId?: string;
  expected: string;
  found: string;
}

/** Of a product `p` whose open holds in the order table sum to `p.held`. */
export const PRODUCT_INVARIANTS: readonly Invariant[] = [
  {
    name: 'reservedIsSumOfOpenHolds',
    holds: 'p.reserved_quantity = p.held',
    expected: 'p.held::text',
    found: 'p.reserved_quantity::text',
  },
  {
    name: 'stockIsWhatIsLeft',
    holds: 'p.stock_quantity = GREATEST(p.vendor_quantity - p.reserved_quantity, 0)',
    expected: 'GREATEST(p.vendor_quantity - p.reserved_quantity, 0)::text',
    found: 'p.stock_quantity::text',
  },
];

/** Of an order `o`. */
export const ORDER_INVARIANTS: readonly Invariant[] = [
  {
    name: 'grantedWithinAvailable',
    holds: 'o.quantity <= o.available_quantity',
    expected: `'at most ' || o.available_quantity`,
    found: 'o.quantity::text',
  },
  {
    name: 'pendingIsHeld',
    holds: `(o.status <> 'pending' OR o.hold_state = 'held')`,
    expected: `'held'`,
    found: 'o.hold_state::text',
  },
  {
    name: 'completedStandsAtVendor',
    holds: `(o.status <> 'completed' OR o.hold_state IN ('acknowledged', 'settled')
      AND o.vendor_order_id IS NOT NULL AND o.accepted_at IS NOT NULL)`,
    expected: `'acknowledged or settled, a vendorOrderId and the time of its acceptance'`,
    found: `concat_ws(', ', o.hold_state, COALESCE(o.vendor_order_id, 'no vendorOrderId'),
      COALESCE(o.accepted_at::text, 'no time'))`,
  },
  {
    name: 'failedIsReleased',
    holds: `((o.status = 'failed') = (o.hold_state = 'released')
      AND (o.status = 'failed') = (o.failure_reason IS NOT NULL))`,
    expected: `CASE WHEN o.status = 'failed' THEN 'released, with a reason' ELSE 'neither released nor a failure reason' END`,
    found: `concat_ws(', ', o.hold_state, COALESCE(o.failure_reason, 'no reason'))`,
  },
  {
    name: 'attentionHasReason',
    holds: `(o.needs_attention = (o.attention_reason IS NOT NULL))`,
    expected: `CASE WHEN o.needs_attention THEN 'a reason' ELSE 'no reason' END`,
    found: `COALESCE(o.attention_reason, 'none')`,
  },
];

/** Orders of one checkout were placed together. */
export const CHECKOUT_INVARIANT = 'checkoutIsOfOneMoment';
/** Whoever should dispatch it hears of it: a message, a worker that has it in hand, or an operator. */
export const MESSAGE_INVARIANT = 'pendingIsOnItsWay';

export const INVARIANTS: readonly string[] = [
  ...[...PRODUCT_INVARIANTS, ...ORDER_INVARIANTS].map(({ name }) => name),
  CHECKOUT_INVARIANT,
  MESSAGE_INVARIANT,
];
