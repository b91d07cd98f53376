import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is proved at one address of a vendor says nothing of another: where each order was sent, and where its vendor was. */
export class VendorAddresses1765510000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Constants, so that no row is rewritten: all there is counts as of the address a vendor has now.
    await runner.query(
      `ALTER TABLE vendors ADD COLUMN address_epochs integer[] NOT NULL DEFAULT '{1}'
         CONSTRAINT vendors_address_epochs_check CHECK (address_epochs <> '{}'), ADD COLUMN address_since timestamptz`,
    );
    await runner.query(
      `COMMENT ON COLUMN vendors.address_epochs IS
         'numbers of the books that its kind and base_url lead to; what is sent or accepted from now on is marked with the first'`,
    );
    await runner.query(
      `COMMENT ON COLUMN vendors.address_since IS
         'our clock: since when it is at these books; null: since it was registered'`,
    );
    await runner.query(`
      CREATE TABLE vendor_former_addresses (
        vendor_id varchar(32) COLLATE "C" NOT NULL REFERENCES vendors,
        kind varchar(32) NOT NULL,
        base_url varchar(2000) NOT NULL,
        credential_env varchar(80),
        epochs integer[] NOT NULL CHECK (epochs <> '{}'),
        left_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (vendor_id, kind, base_url)
      )`);
    await runner.query(
      `COMMENT ON TABLE vendor_former_addresses IS
         'where a vendor was before: what was sent there is looked up and cancelled there'`,
    );
    await runner.query('ALTER TABLE dispatch_attempts ADD COLUMN address_epoch integer NOT NULL DEFAULT 1');
    await runner.query(
      `COMMENT ON COLUMN dispatch_attempts.address_epoch IS
         'the books it was sent to (vendors.address_epochs): a look-up proves nothing about others'`,
    );
    await runner.query('ALTER TABLE orders ADD COLUMN address_epoch integer');
    await runner.query(
      `COMMENT ON COLUMN orders.address_epoch IS
         'the books that have the vendor''s acceptance; null: none, or those of 1. Only a listing of the same settles its hold'`,
    );
    await runner.query('ALTER TABLE stock_sync_runs ADD COLUMN address_epoch integer NOT NULL DEFAULT 1');
    await runner.query(
      `COMMENT ON COLUMN stock_sync_runs.address_epoch IS 'the books that were polled; held, it is accepted onto no others'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE stock_sync_runs DROP COLUMN address_epoch');
    await runner.query('ALTER TABLE orders DROP COLUMN address_epoch');
    await runner.query('ALTER TABLE dispatch_attempts DROP COLUMN address_epoch');
    await runner.query('DROP TABLE vendor_former_addresses');
    await runner.query('ALTER TABLE vendors DROP COLUMN address_since, DROP COLUMN address_epochs');
  }
}
