import { Injectable } from '@nestjs/common';
import { Config } from '../config/config';
import { prepared, type Transaction } from '../database/sql';
import { IS_HERE } from '../vendors/address.repository';
import { staleSql } from '../vendors/vendor.repository';
import { blockedSql, sellableSql } from './sellable';

export interface ProductKey {
  vendorId: string;
  productId: string;
}

/** A product whose counter nobody else can change until the transaction ends. */
export interface LockedProduct {
  price: string;
  /** What an order placed now could get. */
  sellableQuantity: number;
  vendorEnabled: boolean;
  /** Nothing is sold of it until its vendor is polled again. */
  blocked: boolean;
  /** The transaction's time: an order granted on it is created then. */
  at: Date;
}

const STALE = staleSql('$3::integer');
/**
 * The product $1, $2 `p`. As sub-selects, so that the planner does not see the values: where it sees the one partition they
 * are in, it holds its plan for any values for the dearer one and plans anew at each call, at twenty times what running costs.
 */
export const THE_PRODUCT = 'p.vendor_id = (SELECT $1::varchar) AND p.product_id = (SELECT $2::varchar)';

/**
 * Whether what we know of a locked product `p` of the vendor `v` contains an order the vendor accepted at its own clock,
 * strictly. The product's row is written only when it differs, so the time of the last complete listing speaks for it too;
 * a delta speaks for the rows it wrote, and for no other. Nothing is known to be contained where the listing had no time,
 * and none since an operator accepted a jump of the vendor's clock until a listing was asked for afterwards. And whatever
 * the vendor's clock says, which may have been set back since: no listing contains an order of which nothing had been sent
 * yet, by our clock, when the listing was asked for. Nor does one of other books than those (`epoch`) that have the
 * acceptance: what was listed before the vendor came to its present address may be of others.
 */
export const CONTAINS_ACCEPTANCE = (acceptedAt: string, sentAt: string, epoch: string): string =>
  `COALESCE(${IS_HERE(epoch)} AND GREATEST(
      CASE WHEN p.observed_at > ${sentAt} AND (v.address_since IS NULL OR p.observed_at > v.address_since) THEN p.as_of END,
      CASE WHEN v.full_polled_at > ${sentAt} THEN v.full_as_of END
    ) > ${acceptedAt}::timestamptz + v.clock_margin_ms * interval '1 ms'
    AND (v.stock_epoch_at IS NULL OR v.synced_at > v.stock_epoch_at), false)`;

/**
 * The one counter orders share with each other: `reserved_quantity`. Whoever changes it holds the product's lock, and
 * changes the order row first. Locks are `FOR NO KEY UPDATE`: an order insert's foreign-key check need not wait.
 */
@Injectable()
export class StockRepository {
  constructor(private readonly config: Config) {}

  /** Locks products in the one order, and answers those that exist by their id. */
  async lockForPlacement(tx: Transaction, keys: ProductKey[]): Promise<Map<string, LockedProduct>> {
    const distinct = [...new Map(keys.map((key) => [key.productId, key])).values()];
    const found = await prepared<{
      product_id: string;
      price: string;
      sellable_quantity: number;
      enabled: boolean;
      blocked: boolean;
      at: Date;
    }>(
      tx,
      'lock-for-placement',
      `SELECT p.product_id, p.price, ${sellableSql(STALE)} AS sellable_quantity, v.enabled,
              ${blockedSql(STALE)} AS blocked, now() AS at
       FROM unnest($1::varchar[], $2::varchar[]) AS wanted (vendor_id, product_id)
         JOIN products p ON p.vendor_id = wanted.vendor_id AND p.product_id = wanted.product_id
         JOIN vendors v ON v.vendor_id = p.vendor_id
       ORDER BY p.vendor_id, p.product_id FOR NO KEY UPDATE OF p`,
      [
        distinct.map(({ vendorId }) => vendorId),
        distinct.map(({ productId }) => productId),
        this.config.stockSyncIntervalMs,
      ],
    );
    return new Map(
      found.map(({ product_id, price, sellable_quantity, enabled, blocked, at }) => [
        product_id,
        { price, sellableQuantity: sellable_quantity, vendorEnabled: enabled, blocked, at },
      ]),
    );
  }

  async lock(tx: Transaction, vendorId: string, productId: string): Promise<void> {
    const statement = `SELECT FROM products p WHERE ${THE_PRODUCT} FOR NO KEY UPDATE`;
    await prepared(tx, 'lock-product', statement, [vendorId, productId]);
  }

  /** Lowers the counter: the hold was released, or the vendor's own number contains it now. */
  async unreserve(tx: Transaction, vendorId: string, productId: string, quantity: number): Promise<void> {
    await prepared(
      tx,
      'unreserve',
      `UPDATE products p SET reserved_quantity = reserved_quantity - $3, updated_at = now() WHERE ${THE_PRODUCT}`,
      [vendorId, productId, quantity],
    );
  }

  /** By how many units a locked product is promised beyond what its vendor has; negative: so many are left. */
  async excess(tx: Transaction, vendorId: string, productId: string): Promise<number> {
    const statement = `SELECT reserved_quantity - vendor_quantity AS excess FROM products p WHERE ${THE_PRODUCT}`;
    const [found] = await prepared<{ excess: number }>(tx, 'excess-of-product', statement, [vendorId, productId]);
    return found?.excess ?? 0;
  }

  /** Sets a locked product's counter to the sum of its open holds. */
  async recount(tx: Transaction, vendorId: string, productId: string): Promise<void> {
    await prepared(
      tx,
      'recount-product',
      `UPDATE products p SET reserved_quantity = held.quantity, updated_at = now()
       FROM (SELECT COALESCE(sum(quantity), 0)::integer AS quantity FROM orders
             WHERE vendor_id = $1 AND product_id = $2 AND hold_state IN ('held', 'acknowledged')) held
       WHERE ${THE_PRODUCT} AND p.reserved_quantity <> held.quantity`,
      [vendorId, productId],
    );
  }

  /**
   * The vendor's number contains what it had acknowledged of a locked product until then (our clock), whatever its listings
   * say of the time: so many holds at most, the oldest. Answers how many.
   */
  async settleUntil(
    tx: Transaction,
    { vendorId, productId }: ProductKey,
    acknowledgedUntil: string,
    limit: number,
  ): Promise<number> {
    const [{ settled }] = (await prepared<{ settled: number }>(
      tx,
      'settle-until',
      `WITH contained AS (
         SELECT order_id FROM orders
         WHERE vendor_id = $1 AND product_id = $2 AND hold_state = 'acknowledged' AND acknowledged_at <= $3::timestamptz
         ORDER BY order_id LIMIT $4 FOR NO KEY UPDATE),
       settled AS (
         UPDATE orders o SET hold_state = 'settled', updated_at = now() FROM contained
         WHERE o.order_id = contained.order_id AND o.hold_state::text = 'acknowledged' RETURNING o.quantity),
       counted AS (
         UPDATE products p SET reserved_quantity = p.reserved_quantity - sum.quantity, updated_at = now()
         FROM (SELECT sum(quantity)::integer AS quantity FROM settled HAVING count(*) > 0) sum WHERE ${THE_PRODUCT})
       SELECT count(*)::integer AS settled FROM settled`,
      [vendorId, productId, acknowledgedUntil, limit],
    )) as [{ settled: number }];
    return settled;
  }

  /** See `CONTAINS_ACCEPTANCE`. `sentAt`: null where it is not known. */
  async containsAcceptance(
    tx: Transaction,
    { vendorId, productId }: ProductKey,
    { acceptedAt, sentAt, addressEpoch }: { acceptedAt: Date; sentAt: string | null; addressEpoch: number },
  ): Promise<boolean> {
    const [found] = await prepared<{ contained: boolean }>(
      tx,
      'contains-acceptance',
      `SELECT ${CONTAINS_ACCEPTANCE('$3', '$4::timestamptz', '$5::integer')} AS contained
       FROM products p JOIN vendors v USING (vendor_id) WHERE ${THE_PRODUCT}`,
      [vendorId, productId, acceptedAt, sentAt, addressEpoch],
    );
    return found?.contained ?? false;
  }
}
