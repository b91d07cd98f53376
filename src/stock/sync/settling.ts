/** A staged listing, ready to be applied. */
export interface StagedListing {
  syncRunId: string;
  vendorId: string;
  /** Vendor's clock; null where it gives no time. */
  asOf: Date | null;
  clockMarginMs: number;
  /** How old what is listed may be; null: unknown. */
  feedMaxAgeMs: number | null;
  /** Our clock: when it was asked for. */
  polledAt: Date;
  /** Our clock: when a listing of its time was first asked for, applied or not. A file may have lain there since. */
  firstPolledAt: Date;
  /** Our clock, to the microsecond: when an operator accepted that the vendor's clock had jumped. */
  epochAt: string | null;
}

/** $1 to $7 of every statement that settles. */
export function listingParameters(listing: StagedListing): unknown[] {
  const { vendorId, asOf, clockMarginMs, feedMaxAgeMs, polledAt, firstPolledAt, epochAt } = listing;
  return [vendorId, asOf ?? '-infinity', clockMarginMs, feedMaxAgeMs, polledAt, epochAt, firstPolledAt];
}

const milliseconds = (parameter: string): string => `${parameter}::integer * interval '1 ms'`;

/** What a listing of unknown age is taken for after a jump of its clock: as old as files are commonly served. */
const LISTING_AGE_MS = 900_000;
/** By the vendor's own clock. */
const ACCEPTED_BEFORE = `o.accepted_at + ${milliseconds('$3')} < $2`;

/**
 * Whether the listing contains the hold `o`: the vendor accepted it before the listing's time and its margin, strictly,
 * both by the vendor's own clock. With `<=` a sale in the listing's own millisecond would be settled although the
 * listing may not contain it, and oversold. Nor does a listing contain an order of which nothing had been sent, by our
 * clock, when a listing of its time was first asked for: the vendor's clock may have been set back since.
 *
 * Where the vendor gives no time only our own clock is left: the listing was asked for later than what we knew plus the age
 * that a listing may have. An acceptance of before an operator accepted a jump of the vendor's clock may be of the clock
 * before it, which may have been ahead: that age after the jump is enough too. And what was asked for before the jump was
 * accepted settles nothing. Nor does a listing of other books than those that have the acceptance: whose run it is loses its
 * lease with a change of address, so that those of the vendor's row are its own.
 */
export const CONTAINED = `o.vendor_id = $1 AND o.hold_state = 'acknowledged'
  AND COALESCE(o.address_epoch, 1) = ANY ((SELECT address_epochs FROM vendors WHERE vendor_id = $1)::integer[]) AND COALESCE(o.sent_at, o.acknowledged_at) < $7::timestamptz
  AND ($6::timestamptz IS NULL OR $5::timestamptz > $6)
  AND CASE
    WHEN $2::timestamptz = '-infinity' THEN GREATEST(o.acknowledged_at, $6) + ${milliseconds('$4')} < $5
    WHEN o.acknowledged_at <= $6
      THEN ${ACCEPTED_BEFORE} OR $6::timestamptz + ${milliseconds(`COALESCE($4, ${LISTING_AGE_MS})`)} < $5
    ELSE ${ACCEPTED_BEFORE} END`;

/**
 * Holds settled in one transaction: an order for one of their products waits that long (about 0.1 ms each). The others
 * follow, and count until then: a product has less to sell for that moment, never more.
 */
export const HOLDS_MAX = 500;

/**
 * Settles the contained holds of products that are locked, orders in the one order; the counter follows in the
 * statement's own product update. The state is asked for again with the lock: an order that was released meanwhile
 * is not settled. As text, so that the planner looks each up by its key: where its statistics know of no acknowledged order
 * it reads all of them by their index instead, and compares each with every one that is contained (10,000 of them held the
 * products' locks for 19 s).
 */
export const SETTLED = (keys: string): string => `contained AS (
    SELECT o.order_id FROM orders o WHERE ${CONTAINED} AND o.product_id = ANY(${keys})
    ORDER BY o.order_id LIMIT ${HOLDS_MAX} FOR NO KEY UPDATE),
  settled AS (
    UPDATE orders o SET hold_state = 'settled', updated_at = now() FROM contained
    WHERE o.order_id = contained.order_id AND o.hold_state::text = 'acknowledged' RETURNING o.product_id, o.quantity),
  settled_sum AS (SELECT product_id, sum(quantity)::integer AS quantity FROM settled GROUP BY product_id)`;
