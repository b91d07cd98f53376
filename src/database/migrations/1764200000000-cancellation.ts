import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A client may ask for an order to be cancelled; from then on nothing of it is sent any more. */
export class Cancellation1764200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders ADD COLUMN cancel_requested_at timestamptz');
    await runner.query(
      `COMMENT ON COLUMN orders.cancel_requested_at IS 'never taken back: a pending order that has it is cancelled at its vendor, and not sent'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders DROP COLUMN cancel_requested_at');
  }
}
