import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';

/** A staged listing, ready to be applied. */
export interface StagedListing {
  syncRunId: string;
  vendorId: string;
  asOf: Date;
  clockMarginMs: number;
  polledAt: Date;
}

/**
 * Holds that the listing contains: the vendor accepted them before `asOf`, strictly, both by its own clock. With `<=`
 * a sale in the listing's own millisecond would be settled although the listing may not contain it, and oversold.
 */
const CONTAINED = (listing: string): string =>
  `o.vendor_id = ${listing}.vendor_id AND o.hold_state = 'acknowledged'
   AND o.accepted_at + ${listing}.margin < ${listing}.as_of`;

const LISTING = `listing AS (
  SELECT $1::varchar AS sync_run_id, $2::varchar COLLATE "C" AS vendor_id, $3::timestamptz AS as_of,
         $4::integer * interval '1 ms' AS margin, $5::timestamptz AS polled_at)`;

/** Settles the contained holds of the keys in $6; the counter follows in the statement's own product update. */
const SETTLED = `settled AS (
    UPDATE orders o SET hold_state = 'settled', updated_at = now() FROM listing
    WHERE ${CONTAINED('listing')} AND o.product_id = ANY($6) RETURNING o.product_id, o.quantity),
  settled_sum AS (SELECT product_id, sum(quantity)::integer AS quantity FROM settled GROUP BY product_id)`;

/**
 * Writes listings to products in bounded batches. Keys are found first without locks, so that unchanged rows are
 * neither locked nor written; then those keys are locked in order, and only then is anything read that is computed
 * with: an aggregate in an UPDATE that waited for a lock is not read again.
 */
@Injectable()
export class ApplyRepository {
  /** Staged keys, in order, that differ from the product or have a hold to settle. */
  async findChanged(on: Connection, listing: StagedListing, after: string, limit: number): Promise<string[]> {
    const found = await rows<{ product_id: string }>(
      on,
      `WITH ${LISTING}
       SELECT s.product_id
       FROM listing JOIN stock_staging s USING (sync_run_id)
         LEFT JOIN products p ON p.vendor_id = $2 AND p.product_id = s.product_id
       WHERE s.product_id > $6 AND $5::timestamptz IS NOT NULL
         AND (p.product_id IS NULL OR p.as_of <= listing.as_of AND (
           (p.vendor_quantity, p.name, p.price, p.listed) IS DISTINCT FROM (s.quantity, s.name, s.price, true)
           OR EXISTS (SELECT FROM orders o WHERE ${CONTAINED('listing')} AND o.product_id = s.product_id)))
       ORDER BY s.product_id LIMIT $7`,
      [...parametersOf(listing), after, limit],
    );
    return found.map(({ product_id }) => product_id);
  }

  /** Keys of products that the complete listing lacks: still listed, or with a hold to settle. */
  async findMissing(on: Connection, listing: StagedListing, limit: number): Promise<string[]> {
    const found = await rows<{ product_id: string }>(
      on,
      `WITH ${LISTING}
       SELECT p.product_id FROM listing JOIN products p ON p.vendor_id = $2 AND p.as_of <= listing.as_of
       WHERE $5::timestamptz IS NOT NULL
         AND (p.listed OR EXISTS (SELECT FROM orders o WHERE ${CONTAINED('listing')} AND o.product_id = p.product_id))
         AND NOT EXISTS (SELECT FROM stock_staging s WHERE s.sync_run_id = $1 AND s.product_id = p.product_id)
       ORDER BY p.product_id LIMIT $6`,
      [...parametersOf(listing), limit],
    );
    return found.map(({ product_id }) => product_id);
  }

  /** Locks the products in key order and answers those that no newer listing has written meanwhile. */
  async lock(tx: Transaction, { vendorId, asOf }: StagedListing, keys: string[]): Promise<string[]> {
    const locked = await rows<{ product_id: string; as_of: Date }>(
      tx,
      `SELECT product_id, as_of FROM products WHERE vendor_id = $1 AND product_id = ANY($2)
       ORDER BY vendor_id, product_id FOR NO KEY UPDATE`,
      [vendorId, keys],
    );
    return locked.filter((product) => product.as_of <= asOf).map((product) => product.product_id);
  }

  /** Writes what the vendor said to locked products and settles their holds. Answers how many were written. */
  async update(tx: Transaction, listing: StagedListing, lockedKeys: string[]): Promise<number> {
    const { written } = (await row<{ written: number }>(
      tx,
      `WITH ${LISTING}, ${SETTLED},
       written AS (
         UPDATE products p
         SET vendor_quantity = s.quantity, name = s.name, price = s.price, listed = true,
             reserved_quantity = p.reserved_quantity - COALESCE(settled_sum.quantity, 0),
             as_of = listing.as_of, observed_at = listing.polled_at, updated_at = now()
         FROM listing JOIN stock_staging s USING (sync_run_id) LEFT JOIN settled_sum USING (product_id)
         WHERE s.product_id = ANY($6) AND p.vendor_id = $2 AND p.product_id = s.product_id
         RETURNING 1)
       SELECT count(*)::integer AS written FROM written`,
      [...parametersOf(listing), lockedKeys],
    ))!;
    return written;
  }

  /** Adds products the vendor lists for the first time. Answers how many. */
  async insert(tx: Transaction, listing: StagedListing, keys: string[]): Promise<number> {
    const inserted = await rows(
      tx,
      `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
       SELECT $2, product_id, sku, name, price, quantity, $3, $4 FROM stock_staging
       WHERE sync_run_id = $1 AND product_id = ANY($5) ORDER BY product_id
       ON CONFLICT DO NOTHING RETURNING 1`,
      [listing.syncRunId, listing.vendorId, listing.asOf, listing.polledAt, keys],
    );
    return inserted.length;
  }

  /** Takes locked products off the listing: the vendor has none of them. Settles their holds. */
  async unlist(tx: Transaction, listing: StagedListing, lockedKeys: string[]): Promise<number> {
    const { written } = (await row<{ written: number }>(
      tx,
      `WITH ${LISTING}, ${SETTLED},
       written AS (
         UPDATE products p
         SET vendor_quantity = 0, listed = false,
             reserved_quantity = p.reserved_quantity - COALESCE(settled_sum.quantity, 0),
             as_of = listing.as_of, observed_at = listing.polled_at, updated_at = now()
         FROM listing, unnest($6::varchar[]) AS key (product_id) LEFT JOIN settled_sum USING (product_id)
         WHERE p.vendor_id = $2 AND p.product_id = key.product_id
         RETURNING 1)
       SELECT count(*)::integer AS written FROM written`,
      [...parametersOf(listing), lockedKeys],
    ))!;
    return written;
  }
}

function parametersOf({ syncRunId, vendorId, asOf, clockMarginMs, polledAt }: StagedListing): unknown[] {
  return [syncRunId, vendorId, asOf, clockMarginMs, polledAt];
}
