import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What keeps every worker from calling a vendor: its breakers, and an operator's pause. */
export class Breakers1764600000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE vendors ADD COLUMN paused boolean NOT NULL DEFAULT false');
    await runner.query(
      `CREATE TABLE vendor_breakers (
         vendor_id varchar(32) COLLATE "C" NOT NULL REFERENCES vendors,
         operation varchar(8) NOT NULL CHECK (operation IN ('orders', 'stock')),
         opening bigint NOT NULL,
         pauses integer NOT NULL CHECK (pauses > 0),
         open_until timestamptz,
         closed_at timestamptz,
         PRIMARY KEY (vendor_id, operation),
         CHECK ((open_until IS NULL) = (closed_at IS NOT NULL))
       )`,
    );
    for (const [target, comment] of Object.entries(comments))
      await runner.query(`COMMENT ON ${target} IS '${comment.replaceAll("'", "''")}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE vendor_breakers');
    await runner.query('ALTER TABLE vendors DROP COLUMN paused');
  }
}

const comments = {
  'COLUMN vendors.paused': 'an operator has stopped dispatch; the stock is polled all the same',
  'TABLE vendor_breakers': 'a row from the first time that a breaker opens; without one it is closed',
  'COLUMN vendor_breakers.opening': 'fencing token: which opening a probe is for',
  'COLUMN vendor_breakers.pauses': 'pauses in a row of the last opening; each is longer than the one before',
  'COLUMN vendor_breakers.open_until': 'null: closed; in the past: half open, and one call may probe',
  'COLUMN vendor_breakers.closed_at': 'more and more calls are let through from then on',
};
