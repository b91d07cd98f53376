import { Injectable } from '@nestjs/common';
import { longStatement } from '../../database/long-statement';
import { type Connection, rows, type Transaction } from '../../database/sql';
import { MOVES_WILDLY } from './price-moves';
import { stagingTable } from './staging.repository';

/** Of a listing's rows, `s`: its price waits for an operator. Marked so, a row's place in the listing is negative. */
const WITHHELD = 's.position < 0';
const PLACE_OF_WITHHELD = '-1 - s.position';
/** As for whatever reads a listing whole. */
const STATEMENT_MS_MAX = 5 * 60_000;
/** Of a product's name, where some are named as examples. */
const NAME_CHARACTERS_TOLD = 40;

/** What of a held listing was not applied: prices that move wildly. They stand in its staged rows. */
@Injectable()
export class WithheldRepository {
  /** Marks the rows whose prices were withheld; before or after the others were applied is the same. */
  async mark(on: Connection, syncRunId: string, vendorId: string): Promise<void> {
    await longStatement(on, {
      text: `UPDATE ${stagingTable(syncRunId)} s SET position = ${PLACE_OF_WITHHELD} FROM products p
             WHERE p.vendor_id = $1 AND p.product_id = s.product_id AND ${MOVES_WILDLY} AND s.position >= 0`,
      values: [vendorId],
      msMax: STATEMENT_MS_MAX,
    });
  }

  /** Some of the prices that move wildly, old and new, and then some of the new SKUs that cost nothing. */
  async someMoves(on: Connection, syncRunId: string, vendorId: string, limit: number): Promise<string[]> {
    const found = await longStatement<{ move: string }>(on, {
      text: `SELECT substr(s.product_id, length($1::varchar) + 2) || ' (' || left(s.name, ${NAME_CHARACTERS_TOLD}) || ') ' ||
                    COALESCE('from ' || p.price || ' to ', 'new at ') || s.price AS move
             FROM ${stagingTable(syncRunId)} s LEFT JOIN products p ON p.vendor_id = $1 AND p.product_id = s.product_id
             WHERE CASE WHEN p.product_id IS NULL THEN s.price = 0 ELSE ${MOVES_WILDLY} END
             ORDER BY p.product_id NULLS LAST, s.product_id LIMIT $2`,
      values: [vendorId, limit],
      msMax: STATEMENT_MS_MAX,
    });
    return found.map(({ move }) => move);
  }

  /**
   * Whether a listing moves the same prices to the same as a held one of the vendor. A delta may move fewer: it says nothing
   * of the others.
   */
  async movesTheSame(
    on: Connection,
    vendorId: string,
    { syncRunId, kind, heldRunId }: { syncRunId: string; kind: 'full' | 'delta'; heldRunId: string },
  ): Promise<boolean> {
    const all = kind === 'full' ? `OR h.price IS NOT NULL AND s.price IS DISTINCT FROM h.price` : '';
    const [found] = await longStatement<{ same: boolean }>(on, {
      text: `SELECT NOT EXISTS (
               SELECT FROM products p
                 LEFT JOIN ${stagingTable(syncRunId)} s ON s.product_id = p.product_id
                 LEFT JOIN (SELECT product_id, price FROM ${stagingTable(heldRunId)} s WHERE ${WITHHELD}) h
                   ON h.product_id = p.product_id
               WHERE p.vendor_id = $1 AND (${MOVES_WILDLY} AND s.price IS DISTINCT FROM h.price ${all})) AS same`,
      values: [vendorId],
      msMax: STATEMENT_MS_MAX,
    });
    return found!.same;
  }

  /** What a later listing, applied whole, says of a product is news: the price that waits for it is none any more. */
  async forgetOlder(tx: Transaction, heldRunId: string, laterRunId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE ${stagingTable(heldRunId)} s SET position = ${PLACE_OF_WITHHELD} FROM ${stagingTable(laterRunId)} later
       WHERE s.product_id = later.product_id AND ${WITHHELD}`,
    );
  }

  /** Next products, in order, whose withheld price is not theirs. */
  async findWithheld(
    on: Connection,
    { syncRunId, vendorId }: { syncRunId: string; vendorId: string },
    after: string,
    limit: number,
  ): Promise<string[]> {
    const found = await longStatement<{ product_id: string }>(on, {
      text: `SELECT s.product_id FROM ${stagingTable(syncRunId)} s
               JOIN products p ON p.vendor_id = $1 AND p.product_id = s.product_id
             WHERE ${WITHHELD} AND s.price <> p.price AND s.product_id > $2 ORDER BY s.product_id LIMIT $3`,
      values: [vendorId, after, limit],
      msMax: STATEMENT_MS_MAX,
    });
    return found.map(({ product_id }) => product_id);
  }

  /**
   * Gives products the prices that were withheld, locking them in key order, and leaves all else: their numbers may be of a
   * later listing. Answers how many it wrote.
   */
  async givePrices(
    tx: Transaction,
    { syncRunId, vendorId }: { syncRunId: string; vendorId: string },
    keys: string[],
  ): Promise<number> {
    await rows(
      tx,
      `SELECT FROM products WHERE vendor_id = $1 AND product_id = ANY($2) ORDER BY vendor_id, product_id FOR NO KEY UPDATE`,
      [vendorId, keys],
    );
    const written = await rows(
      tx,
      `UPDATE products p SET price = s.price, updated_at = now() FROM ${stagingTable(syncRunId)} s
       WHERE s.product_id = ANY($2) AND ${WITHHELD} AND p.vendor_id = $1 AND p.product_id = s.product_id
         AND p.price <> s.price RETURNING 1`,
      [vendorId, keys],
    );
    return written.length;
  }
}
