import { Injectable } from '@nestjs/common';
import { row, rows, type Transaction } from '../../database/sql';

/** What the purchase calls made for an order so far leave to be known. */
export interface AttemptHistory {
  /** Attempts that count towards the limit. */
  counted: number;
  /** Attempts of which it is not certain what they did. */
  open: number;
  /** From now until a look-up that finds nothing proves that the open attempts bought nothing; ≤ 0: it would now. */
  provableInMs: number;
}

export type AttemptOutcome = 'accepted' | 'refused' | 'unknown' | 'not_sent';

const DETAIL_LENGTH_MAX = 1000;

@Injectable()
export class AttemptRepository {
  /** Committed before the call is made: a crash leaves it open. */
  async open(tx: Transaction, orderId: string, token: string, deadlineMs: number): Promise<void> {
    await rows(
      tx,
      `INSERT INTO dispatch_attempts (order_id, token, deadline_at)
       VALUES ($1, $2, clock_timestamp() + $3::integer * interval '1 ms')`,
      [orderId, token, deadlineMs],
    );
  }

  async historyOf(tx: Transaction, orderId: string, consistencyLagMs: number): Promise<AttemptHistory> {
    const found = (await row<{ counted: number; open: number; provable_in_ms: number | null }>(
      tx,
      `SELECT count(*) FILTER (WHERE counted)::integer AS counted,
              count(*) FILTER (WHERE closed_at IS NULL)::integer AS open,
              (max(extract(epoch FROM deadline_at - clock_timestamp()) * 1000)
                FILTER (WHERE closed_at IS NULL) + $2::integer)::float8 AS provable_in_ms
       FROM dispatch_attempts WHERE order_id = $1`,
      [orderId, consistencyLagMs],
    ))!;
    return { counted: found.counted, open: found.open, provableInMs: found.provable_in_ms ?? 0 };
  }

  /** Records what a call came to. `unknown` leaves the attempt open. */
  async finish(
    tx: Transaction,
    orderId: string,
    token: string,
    { outcome, detail, counted }: { outcome: AttemptOutcome; detail: string; counted: boolean },
  ): Promise<void> {
    await rows(
      tx,
      `UPDATE dispatch_attempts
       SET outcome = $3::varchar, detail = $4, counted = $5, finished_at = clock_timestamp(),
           closed_at = CASE WHEN $3::varchar = 'unknown' THEN closed_at ELSE clock_timestamp() END
       WHERE order_id = $1 AND token = $2`,
      [orderId, token, outcome, detail.slice(0, DETAIL_LENGTH_MAX), counted],
    );
  }

  /** It is certain now what every attempt of the order did. */
  async closeAll(tx: Transaction, orderId: string): Promise<void> {
    await rows(
      tx,
      'UPDATE dispatch_attempts SET closed_at = clock_timestamp() WHERE order_id = $1 AND closed_at IS NULL',
      [orderId],
    );
  }
}
