import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a vendor's listings may do: how many products it may have, and prices that move wildly are held. */
export class StockGuards1765810000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE vendors
         ADD COLUMN products_max integer NOT NULL DEFAULT 5000000 CHECK (products_max > 0),
         ADD COLUMN sync_slow boolean NOT NULL DEFAULT false`,
    );
    await runner.query(
      `COMMENT ON COLUMN vendors.products_max IS 'products kept of it, listed or not; more of its SKUs are not added'`,
    );
    await runner.query(`COMMENT ON COLUMN vendors.sync_slow IS 'its last poll took long, whatever came of it'`);
    await this.holdFor(runner, ['CLOCK', 'EMPTY', 'TRUNCATED', 'PRICES', 'LIMIT']);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `UPDATE stock_sync_runs SET held_for = NULL, status = CASE WHEN status = 'held' THEN 'superseded' ELSE status END
       WHERE held_for IN ('PRICES', 'LIMIT')`,
    );
    await this.holdFor(runner, ['CLOCK', 'EMPTY', 'TRUNCATED']);
    await runner.query('ALTER TABLE vendors DROP COLUMN products_max, DROP COLUMN sync_slow');
  }

  private async holdFor(runner: QueryRunner, reasons: string[]): Promise<void> {
    const names = reasons.map((reason) => `'${reason}'`).join(', ');
    await runner.query(
      `ALTER TABLE stock_sync_runs DROP CONSTRAINT stock_sync_runs_held_for_check,
         ADD CONSTRAINT stock_sync_runs_held_for_check CHECK (held_for IN (${names}))`,
    );
  }
}
