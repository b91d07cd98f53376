import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What one worker does for all. */
export class Leases1764800000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE leases (
         name varchar(64) COLLATE "C" PRIMARY KEY,
         leased_until timestamptz NOT NULL
       )`,
    );
    await runner.query(
      `COMMENT ON TABLE leases IS 'chores that one process does for all, each at most once within its lease'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE leases');
  }
}
