import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What one worker counts and every worker tells. */
export class SharedMetrics1764900000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE shared_metrics (
         only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
         counted_at timestamptz NOT NULL,
         samples jsonb NOT NULL
       )`,
    );
    await runner.query(
      `COMMENT ON TABLE shared_metrics IS 'the last count of what all processes share, by the worker that has its lease'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE shared_metrics');
  }
}
