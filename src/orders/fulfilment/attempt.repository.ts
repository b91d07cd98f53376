import { Injectable } from '@nestjs/common';
import { prepared, row, type Transaction } from '../../database/sql';
import { storableText } from '../../database/storable';
import { timestampText } from '../../http/cursor';
import { KEPT_FAILING_SINCE } from '../../vendors/breaker/breaker.repository';

/** What the purchase calls made for an order so far leave to be known. */
export interface AttemptHistory {
  /** Attempts that count towards the limit: since the order was placed, or tried anew. */
  counted: number;
  /** Attempts of which something may have reached the vendor. */
  sent: number;
  /** Attempts of which it is not certain what they did. */
  open: number;
  /**
   * From now until a look-up that finds nothing proves that the open attempts bought nothing, and that what the order was
   * recalled for is gone; ≤ 0: it would now.
   */
  provableInMs: number;
}

/** What a purchase call came to. */
export interface EndedCall {
  outcome: AttemptOutcome;
  detail: string;
  /** Whether it counts towards the limit. */
  counted: boolean;
}

export type AttemptOutcome = 'accepted' | 'refused' | 'unknown' | 'not_sent';

/** Something of it may have reached the vendor: it is under way, or was not certainly kept back. */
const SENT = `outcome IS DISTINCT FROM 'not_sent'`;

/** Of attempts that are grouped: where what is open was sent, else what was sent last. Null: nothing was. */
const SENT_EPOCH = `(array_agg(address_epoch ORDER BY closed_at IS NULL DESC, attempt_id DESC) FILTER (WHERE ${SENT}))[1]`;

/** The vendor's books that have, or may have, an order `o`; null: nothing of it was sent. */
export const ADDRESS_EPOCH_OF = (o: string): string =>
  `COALESCE(CASE WHEN ${o}.status <> 'pending' THEN ${o}.address_epoch END,
     (SELECT ${SENT_EPOCH} FROM dispatch_attempts WHERE order_id = ${o}.order_id))`;

/**
 * As columns of a select from an order's attempts and `seen`, its vendor and what of the order matters to them. A recalled
 * order's attempts are closed, if it has any: it was the vendor's late acceptance that had it recalled, and that may take as
 * long as any other to be in the books.
 */
export const ATTEMPT_HISTORY = `
  count(*) FILTER (WHERE counted AND (tried_from IS NULL OR started_at >= tried_from))::integer AS counted,
  count(*) FILTER (WHERE ${SENT})::integer AS sent, count(*) FILTER (WHERE closed_at IS NULL)::integer AS open,
  ${SENT_EPOCH} AS sent_epoch,
  (SELECT extract(epoch FROM GREATEST(max(deadline_at) FILTER (WHERE closed_at IS NULL), seen.recalled_at)
                             - clock_timestamp()) * 1000 + seen.consistency_lag_ms FROM seen)::float8 AS provable_in_ms`;

export interface AttemptHistoryRow {
  counted: number;
  sent: number;
  open: number;
  provable_in_ms: number | null;
}

/** Our clock: from when on the order may have been bought, by the attempts of which it is not certain what they did. */
export const SENT_AT = (orderId: string): string =>
  `(SELECT min(started_at) FROM dispatch_attempts WHERE order_id = ${orderId} AND closed_at IS NULL)`;

const DETAIL_LENGTH_MAX = 1000;

@Injectable()
export class AttemptRepository {
  /** Whether anything of the order may have reached the vendor. */
  async anySent(tx: Transaction, orderId: string): Promise<boolean> {
    const statement = `SELECT FROM dispatch_attempts WHERE order_id = $1 AND ${SENT} LIMIT 1`;
    return (await row(tx, statement, [orderId])) !== undefined;
  }

  /** Whether it was sent under a later claim than this one. */
  async anySentAfter(tx: Transaction, { orderId, token }: { orderId: string; token: string }): Promise<boolean> {
    const statement = `SELECT FROM dispatch_attempts WHERE order_id = $1 AND token > $2 AND ${SENT} LIMIT 1`;
    return (await row(tx, statement, [orderId, token])) !== undefined;
  }

  /** `SENT_AT`, to the microsecond; null where it is certain what each attempt did. */
  async sentAt(tx: Transaction, orderId: string): Promise<string | null> {
    const found = await row<{ at: string | null }>(tx, `SELECT ${timestampText(SENT_AT('$1'))} AS at`, [orderId]);
    return found!.at;
  }

  /** The vendor's books that have a locked order's acceptance, which somebody else has found there. */
  async addressEpoch(tx: Transaction, orderId: string): Promise<number> {
    const statement = `SELECT COALESCE(${ADDRESS_EPOCH_OF('o')}, v.address_epochs[1]) AS epoch
      FROM orders o JOIN vendors v USING (vendor_id) WHERE order_id = $1`;
    return (await row<{ epoch: number }>(tx, statement, [orderId]))!.epoch;
  }

  /** Records what a call came to, and closes one that was not sent; the others, once it is certain what they did. */
  async finish(
    tx: Transaction,
    orderId: string,
    token: string,
    { outcome, detail, counted }: EndedCall,
  ): Promise<void> {
    await prepared(
      tx,
      'finish-attempt',
      `UPDATE dispatch_attempts
       SET outcome = $3::varchar, detail = $4, counted = $5, finished_at = clock_timestamp(),
           closed_at = CASE WHEN $3::varchar = 'not_sent' THEN clock_timestamp() ELSE closed_at END
       WHERE order_id = $1 AND token = $2`,
      [orderId, token, outcome, storableText(detail, DETAIL_LENGTH_MAX), counted],
    );
  }

  /**
   * Every attempt of the order is proved to have bought nothing. One made while the vendor kept failing, or turned
   * everything away, uses up no attempt: it says nothing of the order.
   */
  async closeAllProved(tx: Transaction, { orderId, vendorId }: { orderId: string; vendorId: string }): Promise<void> {
    await prepared(
      tx,
      'close-attempts-proved',
      `UPDATE dispatch_attempts SET closed_at = clock_timestamp(),
              counted = counted AND NOT ${KEPT_FAILING_SINCE('$2', 'started_at')}
       WHERE order_id = $1 AND closed_at IS NULL`,
      [orderId, vendorId],
    );
  }

  /** It is certain now what every attempt of the order did. */
  async closeAll(tx: Transaction, orderId: string): Promise<void> {
    await prepared(
      tx,
      'close-attempts',
      'UPDATE dispatch_attempts SET closed_at = clock_timestamp() WHERE order_id = $1 AND closed_at IS NULL',
      [orderId],
    );
  }
}

export function historyOf({ counted, sent, open, provable_in_ms }: AttemptHistoryRow): AttemptHistory {
  return { counted, sent, open, provableInMs: provable_in_ms ?? 0 };
}
