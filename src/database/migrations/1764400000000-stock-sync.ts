import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the sync remembers of a vendor, and what an operator decides. Listings are staged in a table a run, made and
 * dropped by the sync: one table for all grew by every listing and never shrank.
 */
export class StockSync1764400000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
    for (const [column, comment] of Object.entries(comments))
      await runner.query(`COMMENT ON COLUMN ${column} IS '${comment.replaceAll("'", "''")}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE vendors DROP COLUMN stock_as_of, DROP COLUMN stock_epoch_at, DROP COLUMN full_synced_at,
         DROP COLUMN sync_position, DROP COLUMN sync_etag, DROP COLUMN sync_marks_of, DROP COLUMN sync_failures`,
    );
    await runner.query('DROP INDEX stock_sync_runs_pending');
    await runner.query(
      `ALTER TABLE stock_sync_runs DROP COLUMN polled_at, DROP COLUMN held_for, DROP COLUMN rows_expected,
         DROP COLUMN staged, DROP COLUMN progress_at, DROP COLUMN note, DROP COLUMN decided_by`,
    );
  }
}

const statements = [
  `ALTER TABLE vendors
     ADD COLUMN stock_as_of timestamptz(3),
     ADD COLUMN stock_epoch_at timestamptz,
     ADD COLUMN full_synced_at timestamptz,
     ADD COLUMN sync_position text,
     ADD COLUMN sync_etag text,
     ADD COLUMN sync_marks_of varchar(2100),
     ADD COLUMN sync_failures integer NOT NULL DEFAULT 0`,
  'UPDATE vendors SET stock_as_of = full_as_of, full_synced_at = synced_at',
  `ALTER TABLE stock_sync_runs
     ADD COLUMN polled_at timestamptz,
     ADD COLUMN held_for varchar(16) CHECK (held_for IN ('CLOCK', 'EMPTY', 'TRUNCATED')),
     ADD COLUMN rows_expected integer,
     ADD COLUMN staged integer,
     ADD COLUMN progress_at timestamptz,
     ADD COLUMN note varchar(1000),
     ADD COLUMN decided_by varchar(200)`,
  // Their listings were not kept: there is nothing left to decide.
  `UPDATE stock_sync_runs SET status = 'superseded' WHERE status = 'held'`,
  `CREATE UNIQUE INDEX stock_sync_runs_pending ON stock_sync_runs (vendor_id) WHERE status = 'pending'`,
];

const comments = {
  'vendors.stock_as_of': "vendor's clock: the newest listing, complete or not, that was applied; an older one is held",
  'vendors.stock_epoch_at': "our clock: when an operator accepted that the vendor's clock had jumped",
  'vendors.full_synced_at': 'our clock: start of the last poll that confirmed the whole picture',
  'vendors.sync_position': 'where a delta goes on; the adapter knows what it means',
  'vendors.sync_etag': 'validator of the last complete listing that was applied whole',
  'vendors.sync_marks_of': 'dialect and address that gave the position and the etag',
  'vendors.sync_failures': 'polls that failed since the last that did not',
  'products.as_of': "vendor's clock of the listing that last wrote the row; -infinity where it gave no time",
  'stock_sync_runs.started_at': 'of a pending run: when it was asked for',
  'stock_sync_runs.polled_at': 'our clock: the poll began no earlier',
  'stock_sync_runs.staged':
    'rows kept of a held listing; fewer in its table means that a crash of the server lost them',
  'stock_sync_runs.progress_at': 'when the counts of a running sync were last written',
};
