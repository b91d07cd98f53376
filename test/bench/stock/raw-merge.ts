import type { Testbed } from '../testbed';
import { emptyProducts, walBytesSince, walPosition } from './surroundings';

/**
 * What the database alone could do: the same rows, from a file of its own into an unlogged table by COPY, and from there
 * into the real `products` by one statement. No vendor, no HTTP, no program, and nobody could place an order meanwhile
 * without waiting for the whole of it. The first load is compared with this.
 */
export interface RawMerge {
  seconds: number;
  walBytes: number;
}

const VENDOR_ID = 'raw';

const STAGE = `CREATE UNLOGGED TABLE raw_staging (
  position integer NOT NULL,
  product_id varchar(161) COLLATE "C" NOT NULL,
  name varchar(500) NOT NULL,
  price numeric(12,2) NOT NULL,
  quantity integer NOT NULL)`;

const MERGE = `INSERT INTO products AS p (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
  SELECT '${VENDOR_ID}', product_id, substr(product_id, ${VENDOR_ID.length + 2}), name, price, quantity, now(), now()
  FROM raw_staging
  ON CONFLICT (vendor_id, product_id) DO UPDATE
  SET vendor_quantity = excluded.vendor_quantity, name = excluded.name, price = excluded.price, listed = true,
      as_of = excluded.as_of, observed_at = excluded.observed_at, updated_at = now()
  WHERE (p.vendor_quantity, p.name, p.price, p.listed)
    IS DISTINCT FROM (excluded.vendor_quantity, excluded.name, excluded.price, true)`;

/** Keeps the products of a vendor as rows for `mergeRaw`. */
export async function keepRows({ database }: Testbed, vendorId: string): Promise<void> {
  await database.query(
    `INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms)
     VALUES ($1, 'By SQL alone', 'rest', 'http://127.0.0.1:9', false, 4, 0, 5000)`,
    [VENDOR_ID],
  );
  await database.query(
    `COPY (SELECT row_number() OVER (ORDER BY product_id), '${VENDOR_ID}:' || sku, name, price, vendor_quantity
           FROM products WHERE vendor_id = '${vendorId}' ORDER BY product_id) TO '${await fileOf(database)}'`,
  );
}

/**
 * Without the text index the transaction is not kept, which brings the index back; what is not measured then is the one
 * commit.
 */
export async function mergeRaw(testbed: Testbed, { textIndex }: { textIndex: boolean }): Promise<RawMerge> {
  const { database } = testbed;
  const file = await fileOf(database);
  await emptyProducts(testbed);
  await database.query('BEGIN');
  if (!textIndex) await database.query('DROP INDEX products_by_name');
  const position = await walPosition(testbed);
  const startedAt = performance.now();
  await database.query(STAGE);
  await database.query(`COPY raw_staging FROM '${file}'`);
  await database.query(MERGE);
  await database.query('DROP TABLE raw_staging');
  if (textIndex) await database.query('COMMIT');
  const seconds = (performance.now() - startedAt) / 1000;
  const walBytes = await walBytesSince(testbed, position);
  if (!textIndex) await database.query('ROLLBACK');
  return { seconds, walBytes };
}

/** Where the server may write, whoever it runs as; it goes with the server's data. */
async function fileOf(database: Testbed['database']): Promise<string> {
  const { rows } = await database.query<{ directory: string }>("SELECT current_setting('data_directory') AS directory");
  return `${rows[0]!.directory}/raw-rows`.replaceAll("'", "''");
}
