import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { CLIENT } from '../testbed';

const VENDOR_ID = 'bench-a';
const FILL_PRODUCTS = `
  INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
  SELECT $1::varchar, $1::varchar || ':N-' || n, 'N-' || n, 'N-' || n, 19.99, 1000, now(), now()
  FROM generate_series(1, $2::integer - (SELECT count(*)::integer FROM products)) AS n`;
/** Of all products alike, completed and settled. */
const FILL_ORDERS = `
  INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, status, hold_state,
                      available_quantity, vendor_order_id, accepted_at, acknowledged_at, client, created_at)
  SELECT gen_random_uuid(), vendor_id, product_id, 1, price, price, 'USD', 'completed', 'settled', vendor_quantity,
         product_id, now(), now(), 'past', now() - interval '1 day' - random() * interval '30 days'
  FROM products LIMIT $1`;

/** So many products, and so many orders of the past. */
export async function fillBooks(database: Client, rows: number): Promise<void> {
  // Nobody answers for the vendors: what is placed stays where it is, and no poll fails while time counts.
  await database.query(`UPDATE vendors SET paused = true, sync_interval_ms = 86400000`);
  await database.query(FILL_PRODUCTS, [VENDOR_ID, rows]);
  await database.query(FILL_ORDERS, [rows]);
  await database.query('VACUUM (ANALYZE) products, orders');
  await database.query('CHECKPOINT');
}

/** By then requests that the load before has cut off are through. */
const QUIET_MS = 1500;

/** As they were before the load: every run begins with the same. */
export async function emptyOfPlaced(database: Client): Promise<void> {
  await pause(QUIET_MS);
  await database.query('BEGIN');
  await database.query('TRUNCATE outbox');
  await database.query(
    'DELETE FROM order_events USING orders o WHERE o.order_id = order_events.order_id AND o.client = $1',
    [CLIENT],
  );
  await database.query('DELETE FROM orders WHERE client = $1', [CLIENT]);
  await database.query('UPDATE products SET reserved_quantity = 0 WHERE reserved_quantity <> 0');
  await database.query('COMMIT');
  await database.query('VACUUM products, orders, order_events, outbox');
  await database.query('CHECKPOINT');
}
