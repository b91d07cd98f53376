import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { isDuplicate } from '../../database/database-errors';
import { longStatement } from '../../database/long-statement';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import type { StockRow } from './listing-row';
import { MOVES_WILDLY } from './price-moves';

const TABLE_PREFIX = 'stock_staging_';
/** Every run's table, as PostgreSQL's tools write patterns. */
export const STAGING_TABLES = `${TABLE_PREFIX}*`;
/** A table that a frozen worker still writes to is left for the next run to drop. */
const DROP_WAIT_MS = 200;
/**
 * For a statement that reads a listing whole, and the vendor's products with it. A million rows take a second or two; twenty
 * million, as many as an adapter takes, on a busy machine two minutes.
 */
const STATEMENT_MS_MAX = 5 * 60_000;
/** Of a product's name, where some are named as examples. */
const NAME_CHARACTERS_TOLD = 40;

/** What a staged listing is beside the vendor's products. */
export interface StagedCounts {
  /** Rows that may be applied. */
  staged: number;
  /** Listed products; those of them that the listing lacks. */
  known: number;
  missing: number;
  /** The vendor's products, listed or not; rows of SKUs that are not among them. */
  stored: number;
  added: number;
  /** Rows that move a price wildly, or that are new and cost nothing. */
  wildPrices: number;
}

/** The server has crashed since, and dropped rows of a listing: what is left of it says nothing of what it lacks. */
export class ListingLost extends Error {
  constructor() {
    super('The database lost rows of the listing: its server has crashed meanwhile');
  }
}

/** Name of the table that holds the run's listing: nothing of another run can be in it. */
export function stagingTable(syncRunId: string): string {
  const hex = syncRunId.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(hex)) throw new Error(`${syncRunId} is no id of a sync run`);
  return `${TABLE_PREFIX}${hex}`;
}

/**
 * Holds a listing whole before anything of it is applied, in an unlogged table of the run's own: a million rows are
 * copied without an index and without WAL, and dropping the table gives all of it back. (Deleted from a shared table,
 * they would stay behind as dead rows until it was vacuumed, every interval again.)
 */
@Injectable()
export class StagingRepository {
  async create(tx: Transaction, syncRunId: string): Promise<void> {
    await rows(
      tx,
      `CREATE UNLOGGED TABLE ${stagingTable(syncRunId)} (
         position integer NOT NULL,
         product_id varchar(161) COLLATE "C" NOT NULL,
         name varchar(500) NOT NULL,
         price numeric(12,2) NOT NULL,
         quantity integer NOT NULL
       ) WITH (autovacuum_enabled = false)`,
    );
  }

  async copy(tx: Transaction, syncRunId: string, lines: Buffer[]): Promise<void> {
    const client = (await tx.queryRunner!.connect()) as ClientBase;
    const columns = 'position, product_id, name, price, quantity';
    await pipeline(
      Readable.from(lines),
      client.query(copyFrom(`COPY ${stagingTable(syncRunId)} (${columns}) FROM STDIN`)),
    );
  }

  /** Makes the staged rows ready to be read by key. A SKU that came twice counts with its later row. Throws `ListingLost`. */
  async index(on: Connection, syncRunId: string, copied: number): Promise<void> {
    const table = stagingTable(syncRunId);
    if (!(await this.isIntact(on, syncRunId, copied))) throw new ListingLost();
    const long = (text: string) => longStatement(on, { text, msMax: STATEMENT_MS_MAX });
    const build = `CREATE UNIQUE INDEX ${table}_key ON ${table} (product_id)`;
    try {
      // Most listings have no SKU twice, and the index finds that out for nothing.
      await long(build);
    } catch (error) {
      if (!isDuplicate(error, `${table}_key`)) throw error;
      await long(
        `DELETE FROM ${table} WHERE (product_id, position) IN (
           SELECT product_id, position FROM (
             SELECT product_id, position, lead(product_id) OVER (ORDER BY product_id, position) AS next FROM ${table}) s
           WHERE next = product_id)`,
      );
      await long(build);
    }
    await long(`ANALYZE ${table}`);
  }

  /** Compares the staged listing with the vendor's products, in one pass over both. */
  async count(on: Connection, syncRunId: string, vendorId: string): Promise<StagedCounts> {
    const table = stagingTable(syncRunId);
    const [found] = await longStatement<StagedCounts>(on, {
      text: `SELECT staged, known, missing, stored, staged - matched AS added, moved + free - matched_free AS "wildPrices"
       FROM (SELECT count(*)::integer AS staged, (count(*) FILTER (WHERE price = 0))::integer AS free FROM ${table}) s,
         (SELECT count(*)::integer AS stored, (count(*) FILTER (WHERE p.listed))::integer AS known,
                 (count(*) FILTER (WHERE p.listed AND s.product_id IS NULL))::integer AS missing,
                 count(s.product_id)::integer AS matched, (count(*) FILTER (WHERE s.price = 0))::integer AS matched_free,
                 (count(*) FILTER (WHERE ${MOVES_WILDLY}))::integer AS moved
          FROM products p LEFT JOIN ${table} s ON s.product_id = p.product_id WHERE p.vendor_id = $1) p`,
      values: [vendorId],
      msMax: STATEMENT_MS_MAX,
    });
    return found!;
  }

  /** SKUs of listed products that the staged listing lacks, with the beginning of their names. */
  async someMissing(on: Connection, syncRunId: string, vendorId: string, limit: number): Promise<string[]> {
    const found = await rows<{ missing: string }>(
      on,
      `SELECT p.sku || ' (' || left(p.name, ${NAME_CHARACTERS_TOLD}) || ')' AS missing
       FROM products p LEFT JOIN ${stagingTable(syncRunId)} s ON s.product_id = p.product_id
       WHERE p.vendor_id = $1 AND p.listed AND s.product_id IS NULL ORDER BY p.product_id LIMIT $2`,
      [vendorId, limit],
    );
    return found.map(({ missing }) => missing);
  }

  /** Whether the run's rows are all still there: a crash of the server empties an unlogged table. */
  async isIntact(on: Connection, syncRunId: string, staged: number): Promise<boolean> {
    const table = stagingTable(syncRunId);
    const found = await row<{ there: boolean }>(on, 'SELECT to_regclass($1) IS NOT NULL AS there', [table]);
    if (!found?.there) return false;
    const { count } = (await row<{ count: number }>(on, `SELECT count(*)::integer AS count FROM ${table}`))!;
    return count === staged;
  }

  /** Whether a complete listing lacks the same of the vendor's products as an earlier one, with `asOf`, that is held. */
  async lacksTheSame(
    on: Connection,
    vendorId: string,
    syncRunId: string,
    held: { syncRunId: string; asOf: Date | null },
  ) {
    const [found] = await longStatement<{ same: boolean }>(on, {
      text: `SELECT NOT EXISTS (
         SELECT FROM products p
           LEFT JOIN ${stagingTable(syncRunId)} s ON s.product_id = p.product_id
           LEFT JOIN ${stagingTable(held.syncRunId)} h ON h.product_id = p.product_id
         WHERE p.vendor_id = $1 AND p.listed AND (s.product_id IS NULL) <>
           (h.product_id IS NULL AND ($2::timestamptz IS NULL OR p.as_of <= $2))) AS same`,
      values: [vendorId, held.asOf],
      msMax: STATEMENT_MS_MAX,
    });
    return found!.same;
  }

  /**
   * Drops the tables of runs that neither go on nor wait for a decision: their own, and what dead workers left. Whoever
   * may create tables may give one any name: only our own tables with the name of a run are looked at, and the server
   * quotes their names.
   */
  async clear(on: Connection): Promise<void> {
    const left = await rows<{ quoted: string }>(
      on,
      `SELECT format('%I.%I', n.nspname, c.relname) AS quoted FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname ~ '^${TABLE_PREFIX}[0-9a-f]{32}$'
         AND pg_get_userbyid(c.relowner) = current_user
         AND NOT EXISTS (
           SELECT FROM stock_sync_runs r
           WHERE r.status IN ('running', 'held') AND '${TABLE_PREFIX}' || replace(r.sync_run_id, '-', '') = c.relname)`,
    );
    for (const { quoted } of left) {
      await on.transaction(async (tx) => {
        await rows(tx, `SET LOCAL lock_timeout = ${DROP_WAIT_MS}`);
        await rows(tx, `DROP TABLE IF EXISTS ${quoted}`);
      });
    }
  }
}

/** The rows as lines of COPY's text format; `position`: the first one's place in the listing. */
export function copyLines(vendorId: string, rows: StockRow[], position: number): Buffer {
  const lines = rows.map(
    ({ sku, name, price, quantity }, index) =>
      `${position + index}\t${vendorId}:${escaped(sku)}\t${escaped(name)}\t${price}\t${quantity}\n`,
  );
  return Buffer.from(lines.join(''));
}

/** Control characters were rejected before; escaped all the same, for a tab would shift the columns. */
function escaped(text: string): string {
  return /[\\\t\n\r]/.test(text)
    ? text.replace(/[\\\t\n\r]/g, (special) => ({ '\t': '\\t', '\n': '\\n', '\r': '\\r' })[special] ?? '\\\\')
    : text;
}
