import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a vendor accepted after the order had failed here is cancelled at the vendor again. */
export class Recall1764550000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders ADD COLUMN recall_requested_at timestamptz');
    await runner.query(
      `ALTER TABLE orders ADD CONSTRAINT orders_recall_check
         CHECK (recall_requested_at IS NULL OR status = 'failed')`,
    );
    await runner.query(
      `COMMENT ON COLUMN orders.recall_requested_at IS 'the vendor accepted it after it had failed here, and is being asked to cancel it'`,
    );
    await runner.query(
      'CREATE INDEX orders_recalled ON orders (vendor_id, order_id) WHERE recall_requested_at IS NOT NULL',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders DROP COLUMN recall_requested_at');
  }
}
