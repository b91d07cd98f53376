import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { prepared, rows, type Transaction } from '../../database/sql';
import type { StoredAnswer } from './answers';

/** A key as its client sent it, within the client and route it belongs to. */
export interface IdempotencyKey {
  /** Client, route and key as one text. */
  id: string;
  client: string;
  route: string;
  key: string;
  /** SHA-256 of the request it is used with. */
  fingerprint: Buffer;
}

/** What an attempt to claim a key found. */
export interface KeyClaim {
  /** Whether the key is ours until the transaction ends. */
  free: boolean;
  remembered?: StoredAnswer & { fingerprint: Buffer };
}

export function idempotencyKey(client: string, route: string, key: string, body: object): IdempotencyKey {
  const fingerprint = hash('sha256', JSON.stringify(body), 'buffer');
  return { id: JSON.stringify([client, route, key]), client, route, key, fingerprint };
}

type RememberedRow = StoredAnswer & { id: string; fingerprint: Buffer };

@Injectable()
export class IdempotencyRepository {
  /**
   * Claims keys until the transaction ends, and tells what is remembered of them. A key that another transaction has
   * is not free: nobody waits for a key (a wait with a timeout would fail a whole batch of strangers for one
   * duplicate), and a crash gives it back. What is remembered is answered whoever has the key: it may be just such a
   * repetition. Two statements, because the second must see what was committed before the first got its locks.
   */
  async claim(tx: Transaction, keys: IdempotencyKey[]): Promise<Map<string, KeyClaim>> {
    const distinct = [...new Map(keys.map((key) => [key.id, key])).values()];
    const locked = await prepared<{ id: string; free: boolean }>(
      tx,
      'claim-keys',
      `SELECT id, pg_try_advisory_xact_lock(hash) AS free
       FROM (SELECT id, hashtextextended(id, 0) AS hash FROM unnest($1::text[]) AS key (id) ORDER BY hash OFFSET 0) k`,
      [distinct.map(({ id }) => id)],
    );
    const free = new Set(locked.filter((key) => key.free).map(({ id }) => id));
    const remembered = await this.find(tx, distinct);
    return new Map(distinct.map(({ id }) => [id, { free: free.has(id), remembered: remembered.get(id) }]));
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

  private async find(tx: Transaction, keys: IdempotencyKey[]): Promise<Map<string, RememberedRow>> {
    if (keys.length === 0) return new Map();
    const found = await prepared<RememberedRow>(
      tx,
      'find-keys',
      `SELECT wanted.id, i.status, i.answer, i.fingerprint
       FROM unnest($1::text[], $2::varchar[], $3::varchar[], $4::varchar[]) AS wanted (id, client, route, key)
       JOIN idempotency_keys i ON i.client = wanted.client AND i.route = wanted.route AND i.key = wanted.key
       WHERE i.expires_at > now()`,
      [
        keys.map(({ id }) => id),
        keys.map(({ client }) => client),
        keys.map(({ route }) => route),
        keys.map(({ key }) => key),
      ],
    );
    return new Map(found.map((answer) => [answer.id, answer]));
  }
}
