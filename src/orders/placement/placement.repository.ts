import { Injectable } from '@nestjs/common';
import { PlacingDataSource } from '../../database/pools';
import { isDuplicate } from '../../database/database-errors';
import { newId } from '../../database/new-id';
import { prepared, type Transaction } from '../../database/sql';
import { sellableSql } from '../../stock/sellable';
import { lockTimeout, lockTimeoutMs, SKIPPING, WAITING } from '../../stock/stock.repository';
import { staleSql } from '../../vendors/vendor.repository';
import { ORDER_PLACED, orderPlaced } from '../order.messages';
import { createdAnswer, type StoredAnswer } from './answers';
import type { IdempotencyKey } from './idempotency.repository';

/** A line of a request, as it is asked for. */
export interface RequestedOrder {
  orderId: string;
  vendorId: string;
  productId: string;
  quantity: number;
  client: string;
  checkoutId: string | null;
  traceparent: string | null;
}

/** What was found for a line under its product's lock. */
export interface Grant {
  unitPrice: string;
  /** What could be sold when it was granted. */
  availableQuantity: number;
  createdAt: Date;
}

export type GrantedOrder = RequestedOrder & Grant;

/** An answer that its key is to be given again. */
export type RememberedAnswer = IdempotencyKey & StoredAnswer;

/** Orders that a request with a key asks for. */
export type KeyedRequest = IdempotencyKey & { orderIds: string[] };

/** Everything that granted orders change: counters of the locked products, orders, their first events and messages. */
const WRITES = `
  reserved AS (
    UPDATE products p SET reserved_quantity = p.reserved_quantity + held.quantity, updated_at = now()
    FROM (SELECT vendor_id, product_id, sum(quantity)::integer AS quantity FROM granted GROUP BY vendor_id, product_id) held
    WHERE p.vendor_id = held.vendor_id AND p.product_id = held.product_id),
  placed AS (
    INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, available_quantity,
                        client, checkout_id, traceparent)
    SELECT order_id, vendor_id, product_id, quantity, unit_price, unit_price * quantity, $10, available_quantity, client,
           checkout_id, traceparent FROM granted),
  told AS (
    INSERT INTO order_events (order_id, type, detail)
    SELECT order_id, 'placed', format('%s reserved of %s that could be sold.', quantity, available_quantity) FROM granted),
  sent AS (
    INSERT INTO outbox (message_id, vendor_id, subject, type, payload, traceparent)
    SELECT message_id, vendor_id, order_id, $11, payload, traceparent FROM granted)`;

/**
 * As sub-selects, so that the planner does not look at the arrays: where it sees that they are short, it holds its plan for
 * any arrays for the dearer one and plans anew at each call, which took 1.8 ms where running took 0.9.
 */
const REQUESTED = `unnest((SELECT $1::varchar[]), (SELECT $2::varchar[]), (SELECT $3::varchar[]), (SELECT $4::integer[]),
  (SELECT $5::varchar[]), (SELECT $6::varchar[]), (SELECT $7::varchar[]), (SELECT $8::jsonb[]), (SELECT $9::varchar[])`;
const REQUESTED_COLUMNS = `order_id, vendor_id, product_id, quantity, client, checkout_id, message_id, payload, traceparent`;

/**
 * Claims the keys of a batch, locks its products in the one order and, if every key is new and everything that is asked
 * of each product fits, writes it: one statement and so one transaction. Read under the lock, a product's row is its
 * newest version, whoever had it before. A key that was answered while this statement began is not in its sight: then
 * its unique constraint fails the whole. The keys are looked up one by one (OFFSET 0 keeps the planner from joining them):
 * a join planned while there are few reads the whole table, and is kept while it grows.
 */
const placeIfAllFit = (locking: string): string => `
  WITH requested AS (SELECT * FROM ${REQUESTED}) WITH ORDINALITY AS r (${REQUESTED_COLUMNS}, place)),
  claimed AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hash) AS free
    FROM (SELECT hashtextextended(id, 0) AS hash FROM unnest((SELECT $12::text[])) AS key (id) ORDER BY hash OFFSET 0) k),
  answered AS (
    SELECT * FROM unnest((SELECT $13::varchar[]), (SELECT $14::varchar[]), (SELECT $15::varchar[]), (SELECT $16::bytea[]),
                        (SELECT $17::jsonb[]))
      AS a (client, route, key, fingerprint, answer)),
  known AS (
    SELECT FROM answered a CROSS JOIN LATERAL (
      SELECT FROM idempotency_keys k WHERE k.client = a.client AND k.route = a.route AND k.key = a.key OFFSET 0) k),
  wanted AS (SELECT vendor_id, product_id, sum(quantity) AS quantity FROM requested GROUP BY vendor_id, product_id),
  locked AS (
    SELECT p.vendor_id, p.product_id, p.price, w.quantity, ${sellableSql(staleSql('$19::integer'))} AS sellable_quantity
    FROM ${lockTimeout('$20')}, wanted w JOIN products p ON p.vendor_id = w.vendor_id AND p.product_id = w.product_id
      JOIN vendors v ON v.vendor_id = p.vendor_id
    ORDER BY p.vendor_id, p.product_id ${locking}),
  granted AS (
    SELECT r.*, l.price AS unit_price,
           (l.sellable_quantity - sum(r.quantity) OVER (PARTITION BY r.vendor_id, r.product_id ORDER BY r.place)
             + r.quantity)::integer AS available_quantity
    FROM requested r JOIN locked l USING (vendor_id, product_id)
    WHERE NOT EXISTS (SELECT FROM claimed WHERE NOT free)
      AND NOT EXISTS (SELECT FROM known)
      AND (SELECT count(*) FROM wanted) = (SELECT count(*) FROM locked l WHERE l.quantity <= l.sellable_quantity)),
  ${WRITES},
  remembered AS (
    INSERT INTO idempotency_keys (client, route, key, fingerprint, status, answer, expires_at)
    SELECT client, route, key, fingerprint, 201, answer, now() + $18::integer * interval '1 hour' FROM answered
    WHERE EXISTS (SELECT FROM granted))
  SELECT order_id, unit_price, available_quantity, now() AS created_at FROM granted`;

const PLACE_IF_ALL_FIT = placeIfAllFit(WAITING);
const PLACE_IF_ALL_FIT_AND_FREE = placeIfAllFit(SKIPPING);

/** An expired answer to the same key gives way. */
const WRITE = `
  WITH granted AS (
    SELECT * FROM ${REQUESTED}, (SELECT $12::numeric[]), (SELECT $13::integer[])) AS g (${REQUESTED_COLUMNS}, unit_price, available_quantity)),
  ${WRITES}
  INSERT INTO idempotency_keys (client, route, key, fingerprint, status, answer, expires_at)
  SELECT client, route, key, fingerprint, status, answer, now() + $20::integer * interval '1 hour'
  FROM unnest((SELECT $14::varchar[]), (SELECT $15::varchar[]), (SELECT $16::varchar[]), (SELECT $17::bytea[]),
              (SELECT $18::smallint[]), (SELECT $19::jsonb[]))
    AS answered (client, route, key, fingerprint, status, answer)
  ON CONFLICT (client, route, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    answer = excluded.answer, created_at = now(), expires_at = excluded.expires_at`;

/**
 * The writes of placement. A statement each for counters, orders, events, messages and keys made a lane wait five times as
 * often for its turn in a busy process, which cost a third of the throughput of one hot product.
 */
@Injectable()
export class PlacementRepository {
  constructor(private readonly dataSource: PlacingDataSource) {}

  /**
   * In a transaction of its own. Answers the grants by order, or undefined where not everything fits, some key is not new or,
   * with `skipLocked`, something else has locked a product: then nothing is written.
   */
  async placeIfAllFit(
    requested: RequestedOrder[],
    keyed: KeyedRequest[],
    skipLocked: boolean,
    { currency, idempotencyTtlHours, stockSyncIntervalMs }: PlacementRules,
  ): Promise<Map<string, Grant> | undefined> {
    try {
      const [name, statement] = skipLocked
        ? ['place-if-all-fit-and-free', PLACE_IF_ALL_FIT_AND_FREE]
        : ['place-if-all-fit', PLACE_IF_ALL_FIT];
      const granted = await prepared<GrantedRow>(this.dataSource.manager, name, statement, [
        ...requestedValues(requested),
        currency,
        ORDER_PLACED,
        keyed.map(({ id }) => id),
        ...keyValues(keyed),
        keyed.map(({ orderIds }) => JSON.stringify(createdAnswer(orderIds).answer)),
        idempotencyTtlHours,
        stockSyncIntervalMs,
        lockTimeoutMs(skipLocked),
      ]);
      return granted.length === 0 ? undefined : new Map(granted.map((found) => [found.order_id, grantOf(found)]));
    } catch (error) {
      if (isDuplicate(error, 'idempotency_keys_pkey')) return undefined;
      throw error;
    }
  }

  /** Keys are claimed and products locked before. */
  async write(
    tx: Transaction,
    granted: GrantedOrder[],
    answers: RememberedAnswer[],
    { currency, idempotencyTtlHours }: PlacementRules,
  ): Promise<void> {
    if (granted.length === 0 && answers.length === 0) return;
    await prepared(tx, 'write-placement', WRITE, [
      ...requestedValues(granted),
      currency,
      ORDER_PLACED,
      granted.map(({ unitPrice }) => unitPrice),
      granted.map(({ availableQuantity }) => availableQuantity),
      ...keyValues(answers),
      answers.map(({ status }) => status),
      answers.map(({ answer }) => JSON.stringify(answer)),
      idempotencyTtlHours,
    ]);
  }
}

interface PlacementRules {
  currency: string;
  idempotencyTtlHours: number;
  stockSyncIntervalMs: number;
}

interface GrantedRow {
  order_id: string;
  unit_price: string;
  available_quantity: number;
  created_at: Date;
}

function grantOf({ unit_price, available_quantity, created_at }: GrantedRow): Grant {
  return { unitPrice: unit_price, availableQuantity: available_quantity, createdAt: created_at };
}

function requestedValues(requested: RequestedOrder[]): unknown[] {
  return [
    requested.map(({ orderId }) => orderId),
    requested.map(({ vendorId }) => vendorId),
    requested.map(({ productId }) => productId),
    requested.map(({ quantity }) => quantity),
    requested.map(({ client }) => client),
    requested.map(({ checkoutId }) => checkoutId),
    requested.map(() => newId()),
    requested.map((order) => JSON.stringify(orderPlaced(order).payload)),
    requested.map(({ traceparent }) => traceparent),
  ];
}

function keyValues(keys: IdempotencyKey[]): unknown[] {
  return [
    keys.map(({ client }) => client),
    keys.map(({ route }) => route),
    keys.map(({ key }) => key),
    keys.map(({ fingerprint }) => fingerprint),
  ];
}
