import type { MigrationInterface, QueryRunner } from 'typeorm';

/** No listing contains an order that was first sent after the listing was asked for, whatever the vendor's clock says since. */
export class FullPolledAt1765200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE vendors ADD COLUMN full_polled_at timestamptz');
    await runner.query(
      `COMMENT ON COLUMN vendors.full_polled_at IS
         'our clock: start of the first poll that full_as_of is of; it contains no order that was first sent later'`,
    );
    await runner.query('ALTER TABLE orders ADD COLUMN sent_at timestamptz');
    await runner.query(
      `COMMENT ON COLUMN orders.sent_at IS
         'our clock: from when on it may have been bought; set with acknowledged_at, and unknown where nothing was open then'`,
    );
    await runner.query(
      'CREATE INDEX stock_sync_runs_by_as_of ON stock_sync_runs (vendor_id, as_of, polled_at) WHERE as_of IS NOT NULL',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX stock_sync_runs_by_as_of');
    await runner.query('ALTER TABLE orders DROP COLUMN sent_at');
    await runner.query('ALTER TABLE vendors DROP COLUMN full_polled_at');
  }
}
