import { Injectable } from '@nestjs/common';
import { type Connection, prepared, rows, type Transaction } from '../database/sql';
import type { Message, OutgoingMessage } from './message';

/** A message in somebody's hand, and the row to delete when it has been dealt with. */
export interface LeasedMessage extends Message {
  outboxId: string;
  /** Since 1970, by the database's clock. */
  dueAtMs: number;
}

/** How many messages of a vendor there is room for. */
export interface Room {
  vendorId: string;
  places: number;
}

const LEASED_COLUMNS = `o.outbox_id AS "outboxId", o.message_id AS "messageId", o.type, o.vendor_id AS "vendorId", o.subject,
  o.payload, o.traceparent, o.attempt, extract(epoch FROM o.due_at)::float8 * 1000 AS "dueAtMs"`;

/** Due, and in nobody's hand. now(), not clock_timestamp(): only a stable function can be an index condition. */
const AVAILABLE = 'o.due_at <= now() AND (o.leased_until IS NULL OR o.leased_until <= now())';

/**
 * The outbox as SQL. Rows are claimed by what they are, never by "id above the last one seen", which skips late commits
 * for ever. A claim is one short statement that leaves a lease behind: holding row locks while a broker or a vendor
 * takes its time would be a transaction as long as its stall. Claims skip what others have locked and so never wait. The rows found
 * are updated by an array of ids: joined to, the planner took the whole backlog into a hash table for a hundred of them.
 */
@Injectable()
export class OutboxRepository {
  async insert(tx: Transaction, messages: Required<OutgoingMessage>[]): Promise<void> {
    await prepared(
      tx,
      'insert-outbox',
      `INSERT INTO outbox (message_id, vendor_id, subject, type, payload, traceparent, attempt, due_at)
       SELECT message_id, vendor_id, subject, type, payload, traceparent, attempt,
              clock_timestamp() + make_interval(secs => delay_ms / 1000.0)
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::int[], $8::float8[])
           AS m (message_id, vendor_id, subject, type, payload, traceparent, attempt, delay_ms)`,
      [
        messages.map(({ messageId }) => messageId),
        messages.map(({ vendorId }) => vendorId),
        messages.map(({ subject }) => subject),
        messages.map(({ type }) => type),
        messages.map(({ payload }) => JSON.stringify(payload)),
        messages.map(({ traceparent }) => traceparent),
        messages.map(({ attempt }) => attempt),
        messages.map(({ delayMs }) => delayMs),
      ],
    );
  }

  /** Makes rows about a subject due that nobody has in hand; waits for none. Answers how many. */
  async hasten(tx: Transaction, subject: string): Promise<number> {
    const hastened = await rows(
      tx,
      `UPDATE outbox SET due_at = LEAST(due_at, clock_timestamp())
        WHERE outbox_id = ANY (ARRAY(
          SELECT outbox_id FROM outbox WHERE subject = $1 AND (leased_until IS NULL OR leased_until <= now())
             FOR NO KEY UPDATE SKIP LOCKED))
       RETURNING outbox_id`,
      [subject],
    );
    return hastened.length;
  }

  /** Those of the subjects with a row that nobody has in hand, or will until the transaction ends; waits for none. */
  async waiting(tx: Transaction, subjects: string[]): Promise<string[]> {
    const found = await rows<{ subject: string }>(
      tx,
      `SELECT subject FROM outbox WHERE subject = ANY ($1) AND (leased_until IS NULL OR leased_until <= now())
          FOR NO KEY UPDATE SKIP LOCKED`,
      [subjects],
    );
    return found.map(({ subject }) => subject);
  }

  /** Waits for none. One whose lease has run out is not meant: who had it may still delete it. */
  async anotherWaits(tx: Transaction, subject: string): Promise<boolean> {
    const found = await rows(
      tx,
      'SELECT FROM outbox WHERE subject = $1 AND leased_until IS NULL LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED',
      [subject],
    );
    return found.length > 0;
  }

  async holds(tx: Transaction, subject: string): Promise<boolean> {
    return (await rows(tx, 'SELECT FROM outbox WHERE subject = $1 LIMIT 1', [subject])).length > 0;
  }

  /** Deletes rows about a subject that nobody has in hand; waits for none. Answers how many. */
  async discard(tx: Transaction, subject: string): Promise<number> {
    const discarded = await rows(
      tx,
      `DELETE FROM outbox
        WHERE outbox_id = ANY (ARRAY(
          SELECT outbox_id FROM outbox WHERE subject = $1 AND (leased_until IS NULL OR leased_until <= now())
             FOR UPDATE SKIP LOCKED))
       RETURNING outbox_id`,
      [subject],
    );
    return discarded.length;
  }

  /** Leases due rows of the vendors that have room, oldest first, never more of a vendor than it has places. */
  claimForRoom(on: Connection, leasedBy: string, leaseMs: number, room: Room[]): Promise<LeasedMessage[]> {
    return rows<LeasedMessage>(
      on,
      `WITH claimed AS (
         SELECT due.outbox_id
           FROM unnest($3::text[], $4::int[]) AS room (vendor_id, places)
          CROSS JOIN LATERAL (
            SELECT o.outbox_id FROM outbox o
             WHERE o.vendor_id = room.vendor_id AND ${AVAILABLE}
             ORDER BY o.due_at, o.outbox_id LIMIT room.places
               FOR NO KEY UPDATE SKIP LOCKED
          ) AS due
       )
       UPDATE outbox o SET leased_by = $1, leased_until = clock_timestamp() + make_interval(secs => $2 / 1000.0)
        WHERE o.outbox_id = ANY (ARRAY(SELECT outbox_id FROM claimed))
       RETURNING ${LEASED_COLUMNS}`,
      [leasedBy, leaseMs, room.map(({ vendorId }) => vendorId), room.map(({ places }) => places)],
    );
  }

  /**
   * Leases at most about `rowsMax` due rows of all vendors but `except`, each vendor its share, so that one with a long
   * backlog delays no other. The vendors are found by skipping through the index, one probe each, because DISTINCT
   * would read every row of the backlog.
   */
  claimShared(
    on: Connection,
    leasedBy: string,
    leaseMs: number,
    rowsMax: number,
    except: string[],
  ): Promise<LeasedMessage[]> {
    return rows<LeasedMessage>(
      on,
      `WITH RECURSIVE vendor AS (
         (SELECT vendor_id, due_at FROM outbox ORDER BY vendor_id, due_at LIMIT 1)
         UNION ALL
         SELECT next.vendor_id, next.due_at
           FROM vendor CROSS JOIN LATERAL (
             SELECT o.vendor_id, o.due_at FROM outbox o
              WHERE o.vendor_id > vendor.vendor_id ORDER BY o.vendor_id, o.due_at LIMIT 1
           ) AS next
       ), waiting AS (
         SELECT vendor_id FROM vendor WHERE due_at <= now() AND vendor_id <> ALL ($4::text[])
       ), claimed AS (
         SELECT due.outbox_id
           FROM waiting
          CROSS JOIN LATERAL (
            SELECT o.outbox_id FROM outbox o
             WHERE o.vendor_id = waiting.vendor_id AND ${AVAILABLE}
             ORDER BY o.due_at, o.outbox_id
             LIMIT (SELECT GREATEST($3::int / count(*), 1) FROM waiting)
               FOR NO KEY UPDATE SKIP LOCKED
          ) AS due
       )
       UPDATE outbox o SET leased_by = $1, leased_until = clock_timestamp() + make_interval(secs => $2 / 1000.0)
        WHERE o.outbox_id = ANY (ARRAY(SELECT outbox_id FROM claimed))
       RETURNING ${LEASED_COLUMNS}`,
      [leasedBy, leaseMs, rowsMax, except],
    );
  }

  /** Answers which of the rows are still ours; the others have been taken by somebody else or are gone. */
  async extend(on: Connection, leasedBy: string, leaseMs: number, outboxIds: string[]): Promise<string[]> {
    const kept = await rows<{ outboxId: string }>(
      on,
      `UPDATE outbox SET leased_until = clock_timestamp() + make_interval(secs => $2 / 1000.0)
        WHERE outbox_id = ANY ($3::bigint[]) AND leased_by = $1
       RETURNING outbox_id AS "outboxId"`,
      [leasedBy, leaseMs, outboxIds],
    );
    return kept.map(({ outboxId }) => outboxId);
  }

  /** Puts rows back, due as they were. */
  async release(on: Connection, leasedBy: string, outboxIds: string[]): Promise<void> {
    await on.query(
      `UPDATE outbox SET leased_by = NULL, leased_until = NULL
        WHERE outbox_id = ANY ($2::bigint[]) AND leased_by = $1`,
      [leasedBy, outboxIds],
    );
  }

  /** Deletes what has been dealt with (a marked row would make every later fetch slower). Answers how many were ours. */
  async delete(on: Connection, leasedBy: string, outboxIds: string[]): Promise<number> {
    const deleted = await rows(
      on,
      'DELETE FROM outbox WHERE outbox_id = ANY ($2::bigint[]) AND leased_by = $1 RETURNING outbox_id',
      [leasedBy, outboxIds],
    );
    return deleted.length;
  }
}
