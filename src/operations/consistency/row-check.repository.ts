import { Injectable } from '@nestjs/common';
import { type Connection, row } from '../../database/sql';
import { timestampText } from '../../http/cursor';
import { CHECKOUT_INVARIANT, type Invariant, ORDER_INVARIANTS, PRODUCT_INVARIANTS, type Violation } from './invariants';
import { type Violations, VIOLATIONS_LISTED_MAX } from './violation-list';

/** What some rows violate, and the last of them: undefined where there were none. */
export interface Checked<Key> extends Violations {
  until: Key | undefined;
}

/** A place among the orders, in the order they were placed. */
export interface Place {
  createdAt: string;
  orderId: string;
}

const OPEN = `hold_state IN ('held', 'acknowledged')`;

const violated = (rowAlias: string, invariants: readonly Invariant[], key: string, name: string): string => `
  SELECT ${rowAlias}.${key} AS key, json_build_object('invariant', v.invariant, '${name}', ${rowAlias}.${key},
           'expected', v.expected, 'found', v.found) AS violation
  FROM checked ${rowAlias} CROSS JOIN LATERAL (VALUES
    ${invariants.map(({ name: invariant, holds, expected, found }) => `('${invariant}', ${holds}, ${expected}, ${found})`).join(', ')}
  ) AS v (invariant, holds, expected, found)
  WHERE NOT (${invariants.map(({ holds }) => holds).join(' AND ')}) AND NOT v.holds`;

const answer = (until: string): string => `
  SELECT (SELECT count(*)::integer FROM violated) AS total, ${until},
         COALESCE((SELECT json_agg(violation ORDER BY key) FROM (
           SELECT * FROM violated ORDER BY key LIMIT ${VIOLATIONS_LISTED_MAX}) first), '[]') AS listed`;

/** What the invariants speak of. */
const PRODUCT_COLUMNS =
  'products.vendor_id, products.product_id, vendor_quantity, reserved_quantity, products.stock_quantity';
const ORDER_COLUMNS = `order_id, product_id, quantity, available_quantity, status, hold_state, failure_reason, vendor_order_id,
  accepted_at, needs_attention, attention_reason, created_at`;

/** Of each product by itself. */
const HELD_ONE_BY_ONE = `SELECT p.product_id, held.held FROM source p CROSS JOIN LATERAL (
  SELECT sum(o.quantity) AS held FROM orders o
  WHERE o.vendor_id = p.vendor_id AND o.product_id = p.product_id AND o.${OPEN}) held`;
/** Of the vendor's ($1) products after $2 and up to the source's last: by far cheaper where few of them hold anything. */
const HELD_IN_RANGE = `SELECT o.product_id, sum(o.quantity) AS held FROM orders o
  WHERE o.vendor_id = $1 AND o.${OPEN} AND o.product_id > $2 AND o.product_id <= (SELECT max(product_id) FROM source)
  GROUP BY o.product_id`;

/**
 * Products as `source` answers them, each with the sum of its open holds: counter and holds are read by one statement, and
 * so as they were at one moment.
 */
const checkProducts = (source: string, held: string): string => `
  WITH source AS MATERIALIZED (${source}),
  held AS MATERIALIZED (${held}),
  checked AS MATERIALIZED (
    SELECT source.*, COALESCE(held.held, 0) AS held FROM source LEFT JOIN held USING (product_id)),
  violated AS MATERIALIZED (${violated('p', PRODUCT_INVARIANTS, 'product_id', 'productId')})
  ${answer(`(SELECT max(product_id) FROM source) AS until`)}`;

const checkOrders = (source: string, until: string): string => `
  WITH checked AS MATERIALIZED (${source}),
  violated AS MATERIALIZED (${violated('o', ORDER_INVARIANTS, 'order_id', 'orderId')})
  ${answer(until)}`;

const NOTHING_AFTER = 'NULL AS until';

/**
 * Looks at rows in bounded chunks, each by one statement that locks nothing. Only indexes that are there anyway are used, and
 * none of them has a column that placement changes.
 */
@Injectable()
export class RowCheckRepository {
  /** A vendor's products after this one. */
  productsAfter(on: Connection, vendorId: string, after: string, limit: number): Promise<Checked<string>> {
    const source = `SELECT ${PRODUCT_COLUMNS} FROM products
      WHERE vendor_id = $1 AND product_id > $2 ORDER BY product_id LIMIT $3`;
    return check(on, checkProducts(source, HELD_IN_RANGE), [vendorId, after, limit]);
  }

  /** A vendor's products after this one that have open holds. */
  promisedAfter(on: Connection, vendorId: string, after: string, limit: number): Promise<Checked<string>> {
    const keys = `SELECT DISTINCT product_id FROM orders
      WHERE vendor_id = $1 AND ${OPEN} AND product_id > $2 ORDER BY product_id LIMIT $3`;
    const source = `SELECT ${PRODUCT_COLUMNS} FROM (${keys}) k
      JOIN products ON products.vendor_id = $1 AND products.product_id = k.product_id`;
    return check(on, checkProducts(source, HELD_IN_RANGE), [vendorId, after, limit]);
  }

  /** These products, whosever they are. */
  products(on: Connection, productIds: string[]): Promise<Checked<string>> {
    const source = `SELECT ${PRODUCT_COLUMNS} FROM unnest($1::varchar[]) AS k (product_id)
      JOIN products ON products.vendor_id = split_part(k.product_id, ':', 1) AND products.product_id = k.product_id`;
    return check(on, checkProducts(source, HELD_ONE_BY_ONE), [productIds]);
  }

  /** Orders after this one. */
  ordersAfter(on: Connection, after: string, limit: number): Promise<Checked<string>> {
    const source = `SELECT ${ORDER_COLUMNS} FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT $2`;
    const until = '(SELECT max(order_id) FROM checked) AS until';
    return check(on, checkOrders(source, until), [after, limit]);
  }

  /** A vendor's orders that hold something of the products after the one and up to the other. */
  holding(on: Connection, vendorId: string, after: string, until: string): Promise<Checked<string>> {
    const source = `SELECT ${ORDER_COLUMNS} FROM orders
      WHERE vendor_id = $1 AND ${OPEN} AND product_id > $2 AND product_id <= $3`;
    return check(on, checkOrders(source, NOTHING_AFTER), [vendorId, after, until]);
  }

  /** Orders that were placed in the last milliseconds, after this place, and which products they are of. */
  async placedWithin(
    on: Connection,
    ms: number,
    after: Place | undefined,
    limit: number,
  ): Promise<Checked<Place> & { productIds: string[] }> {
    const source = `SELECT ${ORDER_COLUMNS} FROM orders WHERE created_at > now() - $1::integer * interval '1 ms'
      AND ($2::timestamptz IS NULL OR (created_at, order_id) > ($2::timestamptz, $3::varchar))
      ORDER BY created_at, order_id LIMIT $4`;
    const until = `(SELECT json_build_object('createdAt', ${timestampText('created_at')}, 'orderId', order_id)
        FROM checked ORDER BY created_at DESC, order_id DESC LIMIT 1) AS until,
      ARRAY(SELECT DISTINCT product_id FROM checked) AS "productIds"`;
    return check(on, checkOrders(source, until), [ms, after?.createdAt ?? null, after?.orderId ?? null, limit]);
  }

  /** These orders. */
  orders(on: Connection, orderIds: string[]): Promise<Checked<string>> {
    return check(on, checkOrders(`SELECT ${ORDER_COLUMNS} FROM orders WHERE order_id = ANY ($1)`, NOTHING_AFTER), [
      orderIds,
    ]);
  }

  /** Checkouts after this one. */
  checkoutsAfter(on: Connection, after: string, limit: number): Promise<Checked<string>> {
    const ids = `SELECT DISTINCT checkout_id FROM orders WHERE checkout_id > $1 ORDER BY checkout_id LIMIT $2`;
    return check(on, checkCheckouts(ids), [after, limit]);
  }

  /** The checkouts of these orders. */
  checkoutsOf(on: Connection, orderIds: string[]): Promise<Checked<string>> {
    const ids = `SELECT DISTINCT checkout_id FROM orders WHERE order_id = ANY ($1) AND checkout_id IS NOT NULL`;
    return check(on, checkCheckouts(ids), [orderIds]);
  }
}

/** Its orders were written by one statement. */
const checkCheckouts = (ids: string): string => `
  WITH checked AS MATERIALIZED (${ids}),
  violated AS MATERIALIZED (
    SELECT min(o.order_id) AS key, json_build_object('invariant', '${CHECKOUT_INVARIANT}', 'orderId', min(o.order_id),
             'expected', 'orders of one client, one currency and one moment',
             'found', concat_ws(', ', count(DISTINCT o.client) || ' clients', count(DISTINCT o.currency) || ' currencies',
                                count(DISTINCT o.created_at) || ' moments')) AS violation
    FROM checked JOIN orders o USING (checkout_id) GROUP BY checkout_id
    HAVING count(DISTINCT o.client) > 1 OR count(DISTINCT o.currency) > 1 OR count(DISTINCT o.created_at) > 1)
  ${answer('(SELECT max(checkout_id) FROM checked) AS until')}`;

async function check<Found extends Checked<unknown>>(
  on: Connection,
  statement: string,
  values: unknown[],
): Promise<Found> {
  const { until, ...found } = (await row<Omit<Found, 'until'> & { until: unknown; listed: Violation[] }>(
    on,
    statement,
    values,
  ))!;
  return { ...found, until: until ?? undefined } as unknown as Found;
}
