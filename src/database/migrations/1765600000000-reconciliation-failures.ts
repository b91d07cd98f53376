import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One order that cannot be compared does not end a run: it is noted, and tried again. */
export class ReconciliationFailures1765600000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reconciliation_failures (
        order_id varchar(36) COLLATE "C" PRIMARY KEY REFERENCES orders,
        vendor_id varchar(32) COLLATE "C" NOT NULL,
        reason varchar(300) NOT NULL,
        failed_at timestamptz NOT NULL DEFAULT clock_timestamp()
      )`);
    await runner.query(
      `COMMENT ON TABLE reconciliation_failures IS
         'orders whose comparison with their vendor’s books failed for a reason of its own; a later run tries them again'`,
    );
    await runner.query('CREATE INDEX reconciliation_failures_by_time ON reconciliation_failures (failed_at)');
    await runner.query(`
      ALTER TABLE reconciliation_parts ADD COLUMN failed integer NOT NULL DEFAULT 0,
        ADD COLUMN failures jsonb NOT NULL DEFAULT '[]'`);
    await runner.query(
      `COMMENT ON COLUMN reconciliation_parts.failed IS 'orders whose comparison failed for a reason of its own'`,
    );
    await runner.query(`COMMENT ON COLUMN reconciliation_parts.failures IS 'some of them, and why'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reconciliation_parts DROP COLUMN failed, DROP COLUMN failures');
    await runner.query('DROP TABLE reconciliation_failures');
  }
}
