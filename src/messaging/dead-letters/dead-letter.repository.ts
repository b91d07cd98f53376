import { Injectable } from '@nestjs/common';
import { newId } from '../../database/new-id';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { jsonbOf, storableText } from '../../database/storable';
import { timestampText } from '../../http/cursor';

/** Length of the column; a longer cause is cut. */
const CAUSE_LENGTH_MAX = 1_000;

export interface DeadLetter {
  vendorId: string | null;
  orderId: string | null;
  cause: string;
  payload: Record<string, unknown>;
  /** Stored once for the same key, however often; without one, always. */
  sourceKey?: string;
}

/** A dead letter that waits for somebody's decision. */
export interface OpenDeadLetter {
  deadLetterId: string;
  orderId: string | null;
  payload: Record<string, unknown>;
}

export interface LetterPlace {
  createdAt: string;
  deadLetterId: string;
}

/** Which open dead letters. */
export interface OpenLetters {
  vendorId?: string;
  /** ISO 8601, exclusive: created before. */
  before?: string;
}

/** That one, or all that fit. */
type Which = OpenLetters & { deadLetterId?: string };

/** Who decided. */
export interface Decider {
  client: string;
  apiKeyId: string;
}

const OPEN_COLUMNS = 'dead_letter_id AS "deadLetterId", order_id AS "orderId", payload';
const FITS = `status = 'open' AND ($1::varchar IS NULL OR vendor_id = $1) AND ($2::timestamptz IS NULL OR created_at < $2)`;
const ORPHANS = `SELECT dead_letter_id FROM dead_letters d
  WHERE ${FITS} AND ($3::varchar IS NULL OR dead_letter_id = $3)
    AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = d.order_id)
  ORDER BY dead_letter_id LIMIT $4`;

/** What was given up and waits for an operator. */
@Injectable()
export class DeadLetterRepository {
  async insert(on: Connection, { vendorId, orderId, cause, payload, sourceKey }: DeadLetter): Promise<void> {
    await on.query(
      `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload, source_key)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (source_key) DO NOTHING`,
      // An error's words and a broken message may hold anything.
      [newId(), vendorId, orderId, storableText(cause, CAUSE_LENGTH_MAX), jsonbOf(payload), sourceKey ?? null],
    );
  }

  /** Whether one of the order waits for an operator. */
  async isOpenFor(on: Connection, orderId: string): Promise<boolean> {
    const statement = `SELECT FROM dead_letters WHERE order_id = $1 AND status = 'open' LIMIT 1`;
    return (await rows(on, statement, [orderId])).length > 0;
  }

  async countOpen(on: Connection, { vendorId, before }: OpenLetters): Promise<number> {
    const statement = `SELECT count(*)::integer AS count FROM dead_letters WHERE ${FITS}`;
    return (await row<{ count: number }>(on, statement, [vendorId ?? null, before ?? null]))!.count;
  }

  /** Those that name an order, oldest first, after this place in the list. */
  openAfter(
    on: Connection,
    { vendorId, before }: OpenLetters,
    after: LetterPlace | undefined,
    limit: number,
  ): Promise<(OpenDeadLetter & LetterPlace)[]> {
    return rows(
      on,
      `SELECT ${OPEN_COLUMNS}, ${timestampText('created_at')} AS "createdAt" FROM dead_letters
       WHERE ${FITS} AND order_id IS NOT NULL
         AND ($3::timestamptz IS NULL OR (created_at, dead_letter_id) > ($3, $4::varchar))
       ORDER BY created_at, dead_letter_id LIMIT $5`,
      [vendorId ?? null, before ?? null, after?.createdAt ?? null, after?.deadLetterId ?? null, limit],
    );
  }

  /** How many, up to a limit, are about no order of ours. */
  async countOrphans(on: Connection, which: Which, limit: number): Promise<number> {
    const statement = `SELECT count(*)::integer AS count FROM (${ORPHANS}) orphan`;
    return (await row<{ count: number }>(on, statement, orphansOf(which, limit)))!.count;
  }

  /** open → dismissed, of those about no order of ours, the oldest first. Answers how many. */
  async dismissOrphans(on: Connection, which: Which, { client, apiKeyId }: Decider, limit: number): Promise<number> {
    const dismissed = await rows(
      on,
      `UPDATE dead_letters SET status = 'dismissed', decided_at = clock_timestamp(), decided_by = $5, decided_with = $6
       WHERE dead_letter_id IN (${ORPHANS} FOR NO KEY UPDATE) AND status = 'open' RETURNING dead_letter_id`,
      [...orphansOf(which, limit), client, apiKeyId],
    );
    return dismissed.length;
  }

  /** open → dismissed, of orders that were given up and have been decided since, such as by their client's cancellation. */
  async dismissDecided(on: Connection): Promise<void> {
    await rows(
      on,
      `UPDATE dead_letters d SET status = 'dismissed', decided_at = clock_timestamp(), decided_by = 'system'
       WHERE status = 'open' AND source_key IS NULL AND payload->>'orderId' = order_id AND EXISTS (
         SELECT FROM orders o WHERE o.order_id = d.order_id AND o.status <> 'pending'
           AND o.recall_requested_at IS NULL AND NOT o.needs_attention)`,
    );
  }

  /** Nobody else decides about them until the transaction ends. Answers those that are still open. Lock orders before. */
  lockOpen(tx: Transaction, deadLetterIds: string[]): Promise<OpenDeadLetter[]> {
    return rows(
      tx,
      `SELECT ${OPEN_COLUMNS} FROM dead_letters WHERE dead_letter_id = ANY ($1) AND status = 'open'
       ORDER BY dead_letter_id FOR NO KEY UPDATE`,
      [deadLetterIds],
    );
  }

  /** open → replayed or dismissed. */
  async decide(
    tx: Transaction,
    deadLetterIds: string[],
    status: 'replayed' | 'dismissed',
    { client, apiKeyId }: Decider,
  ): Promise<void> {
    if (deadLetterIds.length === 0) return;
    await rows(
      tx,
      `UPDATE dead_letters SET status = $2, decided_at = clock_timestamp(), decided_by = $3, decided_with = $4
       WHERE dead_letter_id = ANY ($1) AND status = 'open'`,
      [deadLetterIds, status, client, apiKeyId],
    );
  }

  /** The same for all that are open about an order. Lock the order before. */
  async decideAllOf(
    tx: Transaction,
    orderId: string,
    status: 'replayed' | 'dismissed',
    { client, apiKeyId }: Decider,
  ): Promise<void> {
    await rows(
      tx,
      `UPDATE dead_letters SET status = $2, decided_at = clock_timestamp(), decided_by = $3, decided_with = $4
       WHERE order_id = $1 AND status = 'open'`,
      [orderId, status, client, apiKeyId],
    );
  }
}

function orphansOf({ vendorId, before, deadLetterId }: Which, limit: number): unknown[] {
  return [vendorId ?? null, before ?? null, deadLetterId ?? null, limit];
}
