import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * New names wait in a list until it is this long (kilobytes) and are then sorted in together. First load of 200,000
 * products: 5.2 s without the index, 11.1 s with the server's default of 4 MB, 7.9 s with this. Vacuum empties it too.
 */
const PENDING_KB = 16_384;

/**
 * Finds products by a part of their name, and the few that left a listing. Neither index knows a column that placement
 * changes, so reservations stay heap-only updates. What is indexed of the name is its lower case with every byte beyond
 * ASCII as three digits: pg_trgm takes only what the server's LC_CTYPE calls a letter, and under C, which the embedded
 * server has, that is no letter of most of the world. The queries say the same (`src/stock/name-search.ts`). Existing
 * products are indexed at once, and cannot be written meanwhile: about ten seconds for a million.
 */
export class ProductSearch1764500000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    try {
      await runner.query('CREATE EXTENSION IF NOT EXISTS pg_trgm');
    } catch (cause) {
      throw new Error(
        `The extension pg_trgm could not be created (${(cause as Error).message}). It comes with PostgreSQL's contrib ` +
          `modules (package postgresql-contrib) and needs the privilege CREATE on this database: install it, or have an ` +
          `administrator run CREATE EXTENSION pg_trgm here. Then migrate again.`,
        { cause },
      );
    }
    await runner.query(
      String.raw`CREATE INDEX products_by_name ON products USING gin
        (replace(encode(replace(lower(name), '\', '\\')::bytea, 'escape'), '\', '') gin_trgm_ops)
        WITH (gin_pending_list_limit = ${PENDING_KB})`,
    );
    await runner.query('CREATE INDEX products_unlisted ON products (vendor_id, product_id) WHERE NOT listed');
  }

  /** The extension stays: somebody else may use it. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX products_by_name, products_unlisted');
  }
}
