import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A message that is made anew (a replay, a sweep, a cancellation) goes on with its order's trace. */
export class OrderTraces1765100000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders ADD COLUMN traceparent varchar(55)');
    await runner.query(
      `COMMENT ON COLUMN orders.traceparent IS
         'W3C trace context under which it was placed; null where nobody traced: every message about it carries it'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders DROP COLUMN traceparent');
  }
}
