import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far reconciliation has come with each vendor, and what it passed over. */
export class ReconciliationProgress1765601000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reconciliation_progress (
        vendor_id varchar(32) COLLATE "C" PRIMARY KEY REFERENCES vendors,
        succeeded_at timestamptz,
        to_go_on boolean NOT NULL DEFAULT false,
        skipped integer NOT NULL DEFAULT 0,
        skipped_at timestamptz
      )`);
    // An upgrade is no reason for an alert.
    await runner.query(
      'INSERT INTO reconciliation_progress (vendor_id, succeeded_at) SELECT vendor_id, now() FROM vendors',
    );
    await runner.query(
      `COMMENT ON TABLE reconciliation_progress IS 'how far regular comparisons with each vendor have come'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reconciliation_progress.to_go_on IS
         'the last one ended at a limit of its own: the next begins at once'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reconciliation_progress.skipped IS 'orders passed over in the day before skipped_at'`,
    );
    await runner.query('ALTER TABLE reconciliation_parts ADD COLUMN skipped integer NOT NULL DEFAULT 0');
    await runner.query(
      `COMMENT ON COLUMN reconciliation_parts.skipped IS 'orders that were passed over, and will not be compared'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reconciliation_parts DROP COLUMN skipped');
    await runner.query('DROP TABLE reconciliation_progress');
  }
}
