import type { DataSource } from 'typeorm';

/**
 * Has a database refuse what its writers may deadlock over: whoever changes an order twice in one transaction has PostgreSQL
 * look the order's product up again and lock it `FOR KEY SHARE` (its foreign-key check takes a row of one's own for a new
 * one). That is harmless only where one has locked the product oneself before.
 */
export async function guardLocks(dataSource: DataSource): Promise<void> {
  await dataSource.query(`
    CREATE FUNCTION guard_product_lock() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE mine CONSTANT xid := pg_current_xact_id()::xid;
    BEGIN
      IF OLD.xmin = mine AND NOT EXISTS (
        SELECT FROM products p
        WHERE p.vendor_id = OLD.vendor_id AND p.product_id = OLD.product_id AND mine IN (p.xmin, p.xmax)) THEN
        RAISE EXCEPTION 'Order % is changed twice in one transaction that has not locked its product', OLD.order_id;
      END IF;
      RETURN NEW;
    END $$`);
  await dataSource.query(
    'CREATE TRIGGER guard_product_lock BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION guard_product_lock()',
  );
}
