import { Injectable } from '@nestjs/common';
import { type Connection, prepared, rows, type Transaction } from '../database/sql';
import { storableText } from '../database/storable';

export type OrderEventType =
  | 'placed'
  | 'sent'
  | 'unknown'
  | 'notSent'
  | 'waiting'
  | 'lookedUp'
  | 'accepted'
  | 'completed'
  | 'failed'
  | 'cancelRequested'
  | 'cancelUnanswered'
  | 'cancelled'
  | 'attentionNeeded'
  | 'lateAnswer'
  | 'recalled'
  | 'replayed'
  | 'resolved';

/** Something that happened to an order, told in plain words. */
export interface OrderEvent {
  at: string;
  type: OrderEventType;
  detail: string;
}

const DETAIL_LENGTH_MAX = 2000;

@Injectable()
export class OrderEventsRepository {
  async add(tx: Transaction, orderId: string, type: OrderEventType, detail: string): Promise<void> {
    const statement = 'INSERT INTO order_events (order_id, type, detail) VALUES ($1, $2, $3)';
    await prepared(tx, 'insert-order-event', statement, [orderId, type, storableText(detail, DETAIL_LENGTH_MAX)]);
  }

  /** Adds nothing where the order's story already ends with this type, however often it is told. */
  async addUnlessLast(tx: Transaction, orderId: string, type: OrderEventType, detail: string): Promise<void> {
    await rows(
      tx,
      `INSERT INTO order_events (order_id, type, detail)
       SELECT $1::varchar, $2::varchar, $3::varchar
       WHERE $2 IS DISTINCT FROM (SELECT type FROM order_events WHERE order_id = $1 ORDER BY event_id DESC LIMIT 1)`,
      [orderId, type, storableText(detail, DETAIL_LENGTH_MAX)],
    );
  }

  /** Adds nothing where the order was told of this type less than so long ago. Answers whether it was added. */
  async addUnlessWithin(
    tx: Transaction,
    orderId: string,
    type: OrderEventType,
    detail: string,
    ms: number,
  ): Promise<boolean> {
    const added = await rows(
      tx,
      `INSERT INTO order_events (order_id, type, detail)
       SELECT $1::varchar, $2::varchar, $3::varchar
       WHERE NOT EXISTS (
         SELECT FROM order_events WHERE order_id = $1 AND type = $2 AND at > now() - $4::float8 * interval '1 ms')
       RETURNING event_id`,
      [orderId, type, storableText(detail, DETAIL_LENGTH_MAX), ms],
    );
    return added.length > 0;
  }

  /** The same to several orders. */
  async addToAll(tx: Transaction, orderIds: string[], type: OrderEventType, detail: string): Promise<void> {
    await rows(tx, 'INSERT INTO order_events (order_id, type, detail) SELECT unnest($1::varchar[]), $2, $3', [
      orderIds,
      type,
      storableText(detail, DETAIL_LENGTH_MAX),
    ]);
  }

  /** Oldest first. */
  async list(on: Connection, orderId: string): Promise<OrderEvent[]> {
    const found = await rows<{ at: Date; type: OrderEventType; detail: string }>(
      on,
      'SELECT at, type, detail FROM order_events WHERE order_id = $1 ORDER BY event_id',
      [orderId],
    );
    return found.map(({ at, type, detail }) => ({ at: at.toISOString(), type, detail }));
  }
}
