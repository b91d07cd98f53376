import { Injectable } from '@nestjs/common';
import { newId } from '../../database/new-id';
import { prepared, type Transaction } from '../../database/sql';
import type { NewOrder } from '../order';
import { ORDER_PLACED, orderPlaced } from '../order.messages';
import type { IdempotencyKey, StoredAnswer } from './idempotency.repository';

/** An order to write, and what its message carries on. */
export interface GrantedOrder extends NewOrder {
  traceparent: string | null;
}

/** An answer that its key is to be given again. */
export type RememberedAnswer = IdempotencyKey & StoredAnswer;

/**
 * Everything a batch of placed orders changes, in one statement: counters of the locked products, orders, their first
 * events and messages, and the answers to keys. A statement each made a lane wait four times as often for its turn in a
 * busy process, and took a third of its throughput on one hot product. An expired answer to the same key gives way.
 */
const WRITE = `
  WITH granted AS (
    SELECT * FROM unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::integer[], $5::numeric[], $6::integer[],
                         $7::varchar[], $8::varchar[], $9::varchar[], $10::jsonb[], $11::varchar[])
      AS g (order_id, vendor_id, product_id, quantity, unit_price, available_quantity, client, checkout_id, message_id,
            payload, traceparent)),
  reserved AS (
    UPDATE products p SET reserved_quantity = p.reserved_quantity + held.quantity, updated_at = now()
    FROM (SELECT vendor_id, product_id, sum(quantity)::integer AS quantity FROM granted GROUP BY vendor_id, product_id) held
    WHERE p.vendor_id = held.vendor_id AND p.product_id = held.product_id),
  placed AS (
    INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, available_quantity,
                        client, checkout_id)
    SELECT order_id, vendor_id, product_id, quantity, unit_price, unit_price * quantity, $12, available_quantity, client,
           checkout_id FROM granted),
  told AS (
    INSERT INTO order_events (order_id, type, detail)
    SELECT order_id, 'placed', format('%s reserved of %s that could be sold.', quantity, available_quantity) FROM granted),
  sent AS (
    INSERT INTO outbox (message_id, vendor_id, subject, type, payload, traceparent)
    SELECT message_id, vendor_id, order_id, $13, payload, traceparent FROM granted)
  INSERT INTO idempotency_keys (client, route, key, fingerprint, status, answer, expires_at)
  SELECT client, route, key, fingerprint, status, answer, now() + $20::integer * interval '1 hour'
  FROM unnest($14::varchar[], $15::varchar[], $16::varchar[], $17::bytea[], $18::smallint[], $19::jsonb[])
    AS answered (client, route, key, fingerprint, status, answer)
  ON CONFLICT (client, route, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    answer = excluded.answer, created_at = now(), expires_at = excluded.expires_at`;

/** The write of placement. Keys are claimed and products locked before; so nothing in it waits for another placement. */
@Injectable()
export class PlacementRepository {
  async write(
    tx: Transaction,
    granted: GrantedOrder[],
    answers: RememberedAnswer[],
    { currency, idempotencyTtlHours }: { currency: string; idempotencyTtlHours: number },
  ): Promise<void> {
    if (granted.length === 0 && answers.length === 0) return;
    await prepared(tx, 'write-placement', WRITE, [
      granted.map(({ orderId }) => orderId),
      granted.map(({ vendorId }) => vendorId),
      granted.map(({ productId }) => productId),
      granted.map(({ quantity }) => quantity),
      granted.map(({ unitPrice }) => unitPrice),
      granted.map(({ availableQuantity }) => availableQuantity),
      granted.map(({ client }) => client),
      granted.map(({ checkoutId }) => checkoutId),
      granted.map(() => newId()),
      granted.map(({ orderId, vendorId }) => JSON.stringify(orderPlaced(orderId, vendorId).payload)),
      granted.map(({ traceparent }) => traceparent),
      currency,
      ORDER_PLACED,
      answers.map(({ client }) => client),
      answers.map(({ route }) => route),
      answers.map(({ key }) => key),
      answers.map(({ fingerprint }) => fingerprint),
      answers.map(({ status }) => status),
      answers.map(({ answer }) => JSON.stringify(answer)),
      idempotencyTtlHours,
    ]);
  }
}
