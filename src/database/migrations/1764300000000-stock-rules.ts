import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What an operator may say of a vendor's stock: how often it is listed whole, how old it may be, and what then. */
export class StockRules1764300000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE vendors
         ADD COLUMN full_sync_interval_ms integer CHECK (full_sync_interval_ms > 0),
         ADD COLUMN feed_max_age_ms integer CHECK (feed_max_age_ms >= 0),
         ADD COLUMN stale_stock_policy varchar(8) NOT NULL DEFAULT 'sell'
           CHECK (stale_stock_policy IN ('sell', 'buffer', 'block')),
         ADD COLUMN stale_stock_buffer integer NOT NULL DEFAULT 0 CHECK (stale_stock_buffer >= 0)`,
    );
    const comments = {
      full_sync_interval_ms: 'null: each poll asks for a complete listing',
      feed_max_age_ms: `how old what the vendor lists may be; null: unknown, and a hold without a vendor time never settles by itself`,
      stale_stock_policy:
        'what is sold while the picture is stale: all of it, what is above stale_stock_buffer, nothing',
    };
    for (const [column, comment] of Object.entries(comments))
      await runner.query(`COMMENT ON COLUMN vendors.${column} IS '${comment}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE vendors DROP COLUMN full_sync_interval_ms, DROP COLUMN feed_max_age_ms,
         DROP COLUMN stale_stock_policy, DROP COLUMN stale_stock_buffer`,
    );
  }
}
