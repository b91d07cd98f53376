import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What vendors' lists of changed orders have told, and how far they were read. */
export class OrderLists1765602000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reconciliation_listed (
        order_id varchar(36) COLLATE "C" PRIMARY KEY REFERENCES orders,
        vendor_id varchar(32) COLLATE "C" NOT NULL
      )`);
    await runner.query(
      `COMMENT ON TABLE reconciliation_listed IS
         'orders about which their vendor’s list and our books agree; kept until their turn to be compared has come'`,
    );
    await runner.query(`
      ALTER TABLE reconciliation_progress ADD COLUMN list_base_url varchar(2048), ADD COLUMN list_until timestamptz,
        ADD COLUMN list_read_at timestamptz, ADD COLUMN list_absent_at timestamptz`);
    await runner.query(
      `COMMENT ON COLUMN reconciliation_progress.list_until IS
         'vendor''s clock: time of the last list of changed orders that was read to its end, at list_base_url'`,
    );
    await runner.query(`COMMENT ON COLUMN reconciliation_progress.list_read_at IS 'our clock: when that was'`);
    await runner.query(
      `COMMENT ON COLUMN reconciliation_progress.list_absent_at IS 'our clock: when the vendor last said that it has none'`,
    );
    await runner.query(`
      ALTER TABLE reconciliation_parts ADD COLUMN listed integer NOT NULL DEFAULT 0,
        ADD COLUMN not_ours integer NOT NULL DEFAULT 0`);
    await runner.query(
      `COMMENT ON COLUMN reconciliation_parts.listed IS 'rows of the vendor’s list that are orders of ours'`,
    );
    await runner.query(`COMMENT ON COLUMN reconciliation_parts.not_ours IS 'rows of that list that are not'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reconciliation_parts DROP COLUMN listed, DROP COLUMN not_ours');
    await runner.query(`
      ALTER TABLE reconciliation_progress DROP COLUMN list_base_url, DROP COLUMN list_until,
        DROP COLUMN list_read_at, DROP COLUMN list_absent_at`);
    await runner.query('DROP TABLE reconciliation_listed');
  }
}
