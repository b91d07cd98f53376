import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A checkout is the orders that carry its id; what it costs and how it stands is derived from them. */
export class Checkouts1764100000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders ADD COLUMN checkout_id varchar(36) COLLATE "C"');
    await runner.query(
      'CREATE INDEX orders_by_checkout ON orders (checkout_id, order_id) WHERE checkout_id IS NOT NULL',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE orders DROP COLUMN checkout_id');
  }
}
