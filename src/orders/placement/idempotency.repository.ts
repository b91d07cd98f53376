import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { row, rows, type Transaction } from '../../database/sql';

/** A key as its client sent it, within the client and route it belongs to. */
export interface IdempotencyKey {
  client: string;
  route: string;
  key: string;
  /** SHA-256 of the request it was first used with. */
  fingerprint: Buffer;
}

/** The first answer, kept to be given again. */
export interface StoredAnswer {
  status: number;
  answer: unknown;
}

export function fingerprintOf(body: object): Buffer {
  return createHash('sha256').update(JSON.stringify(body)).digest();
}

@Injectable()
export class IdempotencyRepository {
  /**
   * Takes the key until the transaction ends, or answers false when another transaction has it: nobody waits for a key
   * (a wait with a timeout would fail the waiting statement for a mere duplicate). A crash gives it back.
   */
  async tryLock(tx: Transaction, { client, route, key }: IdempotencyKey): Promise<boolean> {
    const { locked } = (await row<{ locked: boolean }>(
      tx,
      'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS locked',
      [JSON.stringify([client, route, key])],
    ))!;
    return locked;
  }

  async find(
    tx: Transaction,
    { client, route, key }: IdempotencyKey,
  ): Promise<(StoredAnswer & { fingerprint: Buffer }) | undefined> {
    return row<StoredAnswer & { fingerprint: Buffer }>(
      tx,
      `SELECT status, answer, fingerprint FROM idempotency_keys
       WHERE client = $1 AND route = $2 AND key = $3 AND expires_at > now()`,
      [client, route, key],
    );
  }

  /** Remembers the answer; an expired one of the same key gives way. */
  async store(tx: Transaction, key: IdempotencyKey, { status, answer }: StoredAnswer, ttlHours: number): Promise<void> {
    await rows(
      tx,
      `INSERT INTO idempotency_keys (client, route, key, fingerprint, status, answer, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, now() + $7::integer * interval '1 hour')
       ON CONFLICT (client, route, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
         answer = excluded.answer, created_at = now(), expires_at = excluded.expires_at`,
      [key.client, key.route, key.key, key.fingerprint, status, JSON.stringify(answer), ttlHours],
    );
  }

  /** Forgets what has expired, a bounded number at a time. Answers how many. */
  async forgetExpired(tx: Transaction, limit: number): Promise<number> {
    const forgotten = await rows(
      tx,
      `DELETE FROM idempotency_keys WHERE (client, route, key) IN (
         SELECT client, route, key FROM idempotency_keys WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING 1`,
      [limit],
    );
    return forgotten.length;
  }
}
