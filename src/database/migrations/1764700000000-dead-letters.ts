import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A dead letter is decided once, and kept with who decided; what the broker gave up is stored once. */
export class DeadLetters1764700000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
    for (const [of, comment] of Object.entries(comments))
      await runner.query(`COMMENT ON ${of} IS '${comment.replaceAll("'", "''")}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE replay_pace');
    await runner.query('ALTER TABLE orders DROP COLUMN tried_from');
    await runner.query(
      `DROP INDEX dead_letters_by_status, dead_letters_by_vendor, dead_letters_by_vendor_and_status,
         dead_letters_open_of_order`,
    );
    await runner.query(
      `ALTER TABLE dead_letters DROP COLUMN source_key, DROP COLUMN decided_at, DROP COLUMN decided_by,
         DROP COLUMN decided_with`,
    );
  }
}

const statements = [
  `ALTER TABLE dead_letters
     ADD COLUMN source_key varchar(64) COLLATE "C" UNIQUE,
     ADD COLUMN decided_at timestamptz,
     ADD COLUMN decided_by varchar(200),
     ADD COLUMN decided_with varchar(36) COLLATE "C",
     ADD CHECK ((status = 'open') = (decided_at IS NULL))`,
  'CREATE INDEX dead_letters_by_status ON dead_letters (status, created_at DESC, dead_letter_id DESC)',
  'CREATE INDEX dead_letters_by_vendor ON dead_letters (vendor_id, created_at DESC, dead_letter_id DESC)',
  `CREATE INDEX dead_letters_by_vendor_and_status
     ON dead_letters (vendor_id, status, created_at DESC, dead_letter_id DESC)`,
  `CREATE INDEX dead_letters_open_of_order ON dead_letters (order_id) WHERE status = 'open'`,
  'ALTER TABLE orders ADD COLUMN tried_from timestamptz',
  `CREATE TABLE replay_pace (
    vendor_id varchar(32) COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL
  )`,
];

const comments = {
  'COLUMN dead_letters.source_key': 'digest of a message at the broker: delivered again, it is not stored again',
  'COLUMN dead_letters.decided_by': 'client of the API key that replayed it, or found its order decided',
  'COLUMN dead_letters.decided_with': 'the API key',
  'COLUMN orders.tried_from': 'attempts and age that count towards the limits begin here; null: with the order',
  'TABLE replay_pace':
    'by when the messages that replays have scheduled for a vendor are all due; the next ones follow',
};
