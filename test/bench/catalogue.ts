import type { Client } from 'pg';

/**
 * What is sold during a bench: 10,000 products of three vendors and one that everybody wants, with stock that does not
 * run out; and a past, because on empty tables PostgreSQL keeps plans that read whole tables, which no shop ever sees.
 */
export interface CatalogueProduct {
  vendorId: string;
  productId: string;
}

export const PRODUCTS = 10_000;
const VENDORS = ['bench-a', 'bench-b', 'bench-c'];
const STOCK = 1_000_000_000;
/** Of each product in the past. */
const PAST_ORDERS = 2;

export const CATALOGUE: CatalogueProduct[] = Array.from({ length: PRODUCTS }, (_, index) =>
  productOf(VENDORS[index % VENDORS.length]!, `P-${index}`),
);
export const HOT_PRODUCT = productOf('bench-a', 'HOT');
/** For checkouts. */
export const HOT_PRODUCTS = CATALOGUE.slice(0, 50);

export async function fillCatalogue(database: Client): Promise<void> {
  await database.query(
    `INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms)
     SELECT id, id, 'rest', 'http://127.0.0.1:9', true, 4, 0, 5000 FROM unnest($1::varchar[]) AS vendor (id)`,
    [VENDORS],
  );
  const products = [...CATALOGUE, HOT_PRODUCT];
  await database.query(
    `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
     SELECT vendor_id, product_id, split_part(product_id, ':', 2), product_id, 19.99, $3, now(), now()
     FROM unnest($1::varchar[], $2::varchar[]) AS product (vendor_id, product_id)`,
    [products.map(({ vendorId }) => vendorId), products.map(({ productId }) => productId), STOCK],
  );
}

/**
 * Makes every run start from the same tables. The outbox stays empty and without statistics, as it is in a shop whose
 * worker keeps up: nobody consumes it here.
 */
export async function resetOrders(database: Client): Promise<void> {
  await database.query(
    'TRUNCATE orders, order_events, dispatch_attempts, outbox, idempotency_keys, reconciliation_revisits',
  );
  await database.query('UPDATE products SET reserved_quantity = 0 WHERE reserved_quantity <> 0');
  await recordPast(database);
  await database.query(
    `INSERT INTO idempotency_keys (client, route, key, fingerprint, status, answer, expires_at)
     SELECT client, 'POST /v1/orders', order_id, decode(repeat('00', 32), 'hex'), 201, to_jsonb(orders),
            now() + interval '1 day'
     FROM orders`,
  );
  await database.query('VACUUM (ANALYZE) products, orders, order_events, idempotency_keys');
  await database.query('CHECKPOINT');
}

/** Completed and settled orders, `PAST_ORDERS` of each product: of all, or of those that are named. */
export async function recordPast(database: Client, productIds?: string[]): Promise<void> {
  await database.query(
    `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, status, hold_state,
                         available_quantity, vendor_order_id, accepted_at, acknowledged_at, client, created_at)
     SELECT gen_random_uuid(), vendor_id, product_id, 1, price, price, 'USD', 'completed', 'settled', vendor_quantity,
            product_id || '/' || n, now(), now(), 'past', now() - random() * interval '30 days'
     FROM products CROSS JOIN generate_series(1, $1::integer) AS n
     WHERE $2::varchar[] IS NULL OR product_id = ANY($2)`,
    [PAST_ORDERS, productIds ?? null],
  );
  await database.query(
    `INSERT INTO order_events (order_id, type, detail) SELECT order_id, 'placed', 'Of the past.' FROM orders`,
  );
}

function productOf(vendorId: string, sku: string): CatalogueProduct {
  return { vendorId, productId: `${vendorId}:${sku}` };
}
