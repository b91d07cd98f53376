import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { CONTAINED, listingParameters, SETTLED, type StagedListing } from './settling';
import { stagingTable } from './staging.repository';

/** What a range of staged keys asks for. */
export interface Findings {
  /** Last key of the range; undefined: there are no more. */
  until: string | undefined;
  /** Keys that the vendor lists for the first time, in order; `all`: all of the range. */
  added: string[] | 'all';
  /** Keys, in order, whose product differs or has a hold to settle. */
  changed: string[];
  /** How many holds of each of these are to be settled. */
  holds: number[];
}

export interface Written {
  written: number;
  /** Products whose number fell to zero although some was left beyond what we had promised. */
  emptied: string[];
  /** Holds; `HOLDS_MAX`: there may be more. */
  settled: number;
}

/** The row in hand is not newer than the listing, which has the time $2; a listing without a time is newer than any. */
const NOT_NEWER = `($2::timestamptz = '-infinity' OR p.as_of <= $2)`;
const DIFFERS = '(p.vendor_quantity, p.name, p.price, p.listed) IS DISTINCT FROM (s.quantity, s.name, s.price, true)';
const IS_CHANGED = `${NOT_NEWER} AND (${DIFFERS} OR held.product_id IS NOT NULL)`;
/** $2 and $7 are the listing's: a row contains no order that was first sent after a listing of its time was first asked for. */
const STAMP = 'as_of = $2, observed_at = $7, updated_at = now()';

/**
 * Writes listings to products in bounded batches. Keys are found first without locks, so that unchanged rows are
 * neither locked nor written; then those keys are locked in order, and only then is anything read that is computed
 * with: an aggregate in an UPDATE that waited for a lock is not read again.
 */
@Injectable()
export class ApplyRepository {
  /** Looks at the next staged keys after this one. */
  async findChanged(on: Connection, listing: StagedListing, after: string, limit: number): Promise<Findings> {
    const table = stagingTable(listing.syncRunId);
    // The range first: with both its ends known the planner reads only this part of the products.
    const { until } = (await row<{ until: string | null }>(
      on,
      `SELECT max(product_id) AS until
       FROM (SELECT product_id FROM ${table} WHERE product_id > $1 ORDER BY product_id LIMIT $2) s`,
      [after, limit],
    ))!;
    if (until === null) return { until: undefined, added: [], changed: [], holds: [] };
    const { added, changed, holds, all } = (await row<{
      added: string[] | null;
      changed: string[] | null;
      holds: number[] | null;
      all: boolean;
    }>(
      on,
      `SELECT count(p.product_id) = 0 AS "all",
              CASE WHEN count(p.product_id) > 0
                THEN array_agg(s.product_id ORDER BY s.product_id) FILTER (WHERE p.product_id IS NULL) END AS added,
              array_agg(s.product_id ORDER BY s.product_id)
                FILTER (WHERE ${IS_CHANGED}) AS changed,
              array_agg(COALESCE(held.holds, 0) ORDER BY s.product_id)
                FILTER (WHERE ${IS_CHANGED}) AS holds
       FROM ${table} s
         LEFT JOIN products p ON p.vendor_id = $1 AND p.product_id = s.product_id AND p.product_id > $8 AND p.product_id <= $9
         LEFT JOIN (
           SELECT o.product_id, count(*)::integer AS holds FROM orders o
           WHERE ${CONTAINED} AND o.product_id > $8 AND o.product_id <= $9 GROUP BY o.product_id) held ON held.product_id = s.product_id
       WHERE s.product_id > $8 AND s.product_id <= $9`,
      [...listingParameters(listing), after, until],
    ))!;
    return { until, added: all ? 'all' : (added ?? []), changed: changed ?? [], holds: holds ?? [] };
  }

  /** The next listed products, in order, that the complete listing lacks. */
  async findMissing(on: Connection, listing: StagedListing, after: string, limit: number): Promise<string[]> {
    const found = await rows<{ product_id: string }>(
      on,
      `SELECT p.product_id FROM products p
       WHERE p.vendor_id = $1 AND p.listed AND ${NOT_NEWER} AND p.product_id > $3
         AND NOT EXISTS (SELECT FROM ${stagingTable(listing.syncRunId)} s WHERE s.product_id = p.product_id)
       ORDER BY p.product_id LIMIT $4`,
      [listing.vendorId, listing.asOf ?? '-infinity', after, limit],
    );
    return found.map(({ product_id }) => product_id);
  }

  /** Products that left an earlier listing, that this one lacks too, and that have a hold it settles. */
  async findGoneWithHolds(on: Connection, listing: StagedListing): Promise<string[]> {
    const found = await rows<{ product_id: string }>(
      on,
      `SELECT DISTINCT p.product_id FROM orders o JOIN products p ON p.vendor_id = $1 AND p.product_id = o.product_id
       WHERE ${CONTAINED} AND NOT p.listed AND ${NOT_NEWER}
         AND NOT EXISTS (SELECT FROM ${stagingTable(listing.syncRunId)} s WHERE s.product_id = p.product_id)
       ORDER BY p.product_id`,
      listingParameters(listing),
    );
    return found.map(({ product_id }) => product_id);
  }

  /** Locks the products in key order and answers those that no newer listing has written meanwhile. */
  async lock(tx: Transaction, { vendorId, asOf }: StagedListing, keys: string[]): Promise<string[]> {
    const locked = await rows<{ product_id: string }>(
      tx,
      `SELECT product_id FROM products p WHERE vendor_id = $1 AND product_id = ANY($3) AND ${NOT_NEWER}
       ORDER BY vendor_id, product_id FOR NO KEY UPDATE`,
      [vendorId, asOf ?? '-infinity', keys],
    );
    return locked.map(({ product_id }) => product_id);
  }

  /** Writes what the vendor said to locked products that still differ, and settles their holds, `HOLDS_MAX` at most. */
  async update(tx: Transaction, listing: StagedListing, lockedKeys: string[]): Promise<Written> {
    return (await row<Written>(
      tx,
      `WITH ${SETTLED('$8')},
       before AS (
         SELECT product_id FROM products WHERE vendor_id = $1 AND product_id = ANY($8) AND stock_quantity > 0),
       written AS (
         UPDATE products p
         SET vendor_quantity = s.quantity, name = s.name, price = s.price, listed = true,
             reserved_quantity = p.reserved_quantity - COALESCE(settled_sum.quantity, 0), ${STAMP}
         FROM ${stagingTable(listing.syncRunId)} s LEFT JOIN settled_sum USING (product_id)
         WHERE s.product_id = ANY($8) AND p.vendor_id = $1 AND p.product_id = s.product_id
           AND (${DIFFERS} OR settled_sum.quantity IS NOT NULL)
         RETURNING p.product_id, p.vendor_quantity)
       SELECT count(*)::integer AS written,
              COALESCE(array_agg(product_id ORDER BY product_id) FILTER (
                WHERE vendor_quantity = 0 AND product_id IN (SELECT product_id FROM before)), '{}') AS emptied,
              (SELECT count(*)::integer FROM settled) AS settled
       FROM written`,
      [...listingParameters(listing), lockedKeys],
    ))!;
  }

  /** Settles further holds, `HOLDS_MAX` at most, of locked products that the listing has written. Answers how many. */
  async settle(tx: Transaction, listing: StagedListing, lockedKeys: string[]): Promise<number> {
    const { settled } = (await row<{ settled: number }>(
      tx,
      `WITH ${SETTLED('$8')},
       counted AS (
         UPDATE products p SET reserved_quantity = p.reserved_quantity - settled_sum.quantity, updated_at = now()
         FROM settled_sum WHERE p.vendor_id = $1 AND p.product_id = settled_sum.product_id)
       SELECT count(*)::integer AS settled FROM settled`,
      [...listingParameters(listing), lockedKeys],
    ))!;
    return settled;
  }

  /** Adds the products of a range that the vendor lists for the first time. Answers how many. */
  async insert(
    tx: Transaction,
    { syncRunId, vendorId, asOf, firstPolledAt }: StagedListing,
    range: { after: string; until: string; added: string[] | 'all' },
  ): Promise<number> {
    const { inserted } = (await row<{ inserted: number }>(
      tx,
      `WITH inserted AS (
         INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
         SELECT $1::varchar, product_id, substr(product_id, length($1::varchar) + 2), name, price, quantity, $2, $3
         FROM ${stagingTable(syncRunId)}
         WHERE product_id > $4 AND product_id <= $5 AND ($6::varchar[] IS NULL OR product_id = ANY($6))
         ORDER BY product_id
         ON CONFLICT DO NOTHING RETURNING 1)
       SELECT count(*)::integer AS inserted FROM inserted`,
      [
        vendorId,
        asOf ?? '-infinity',
        firstPolledAt,
        range.after,
        range.until,
        range.added === 'all' ? null : range.added,
      ],
    ))!;
    return inserted;
  }

  /** Takes locked products off the listing: the vendor has none of them. Settles their holds, `HOLDS_MAX` at most. */
  async unlist(tx: Transaction, listing: StagedListing, lockedKeys: string[]): Promise<Omit<Written, 'emptied'>> {
    return (await row<Omit<Written, 'emptied'>>(
      tx,
      `WITH ${SETTLED('$8')},
       written AS (
         UPDATE products p
         SET vendor_quantity = 0, listed = false,
             reserved_quantity = p.reserved_quantity - COALESCE(settled_sum.quantity, 0), ${STAMP}
         FROM unnest($8::varchar[]) AS key (product_id) LEFT JOIN settled_sum USING (product_id)
         WHERE p.vendor_id = $1 AND p.product_id = key.product_id AND (p.listed OR settled_sum.quantity IS NOT NULL)
         RETURNING 1)
       SELECT count(*)::integer AS written, (SELECT count(*)::integer FROM settled) AS settled FROM written`,
      [...listingParameters(listing), lockedKeys],
    ))!;
  }

  /** Products, in order, that a listing with a later time wrote: of a clock that an operator no longer believes. */
  async findFromLater(
    on: Connection,
    { vendorId, asOf }: StagedListing,
    observedUntil: string,
    limit: number,
  ): Promise<string[]> {
    const found = await rows<{ product_id: string }>(
      on,
      `SELECT product_id FROM products WHERE vendor_id = $1 AND as_of > $2 AND observed_at <= $4::timestamptz
       ORDER BY product_id LIMIT $3`,
      [vendorId, asOf, limit, observedUntil],
    );
    return found.map(({ product_id }) => product_id);
  }

  /** Forgets the vendor's time of these products, locking them in key order. */
  async forgetTime(tx: Transaction, { vendorId }: StagedListing, keys: string[]): Promise<void> {
    const locked = 'SELECT FROM products WHERE vendor_id = $1 AND product_id = ANY($2)';
    await rows(tx, `${locked} ORDER BY vendor_id, product_id FOR NO KEY UPDATE`, [vendorId, keys]);
    await rows(tx, `UPDATE products SET as_of = '-infinity' WHERE vendor_id = $1 AND product_id = ANY($2)`, [
      vendorId,
      keys,
    ]);
  }

  /** The vendor's partition of the products, and for how many rows its statistics speak. */
  async statistics(on: Connection, vendorId: string): Promise<{ partition: string; rows: number } | undefined> {
    return row(
      on,
      `SELECT c.relname AS partition, GREATEST(c.reltuples, 0)::float8 AS rows
       FROM (SELECT tableoid FROM products WHERE vendor_id = $1 LIMIT 1) p JOIN pg_class c ON c.oid = p.tableoid`,
      [vendorId],
    );
  }

  async analyze(on: Connection, partition: string): Promise<void> {
    await rows(on, `ANALYZE "${partition}"`);
  }
}
