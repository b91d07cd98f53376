import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import type { FailedComparison } from './run';

/** A failure that nobody has met again is forgotten after this. */
const KEEP_DAYS = 30;
/** Every order that fails is tried by each hourly run: one that failed no later than this was compared since. */
const RECENT_FOR_MS = 3 * 3_600_000;

/** Orders whose comparison with their vendor's books failed for a reason of its own. */
@Injectable()
export class FailureRepository {
  async note(tx: Transaction, vendorId: string, { orderId, reason }: FailedComparison): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_failures (order_id, vendor_id, reason) VALUES ($1, $2, $3)
       ON CONFLICT (order_id) DO UPDATE SET reason = excluded.reason, failed_at = clock_timestamp()`,
      [orderId, vendorId, reason],
    );
  }

  async end(tx: Transaction, orderId: string): Promise<void> {
    await rows(tx, 'DELETE FROM reconciliation_failures WHERE order_id = $1', [orderId]);
  }

  async forgetOld(on: Connection): Promise<void> {
    const statement = `DELETE FROM reconciliation_failures WHERE failed_at < now() - $1::integer * interval '1 day'`;
    await rows(on, statement, [KEEP_DAYS]);
  }

  async countRecent(on: Connection): Promise<number> {
    const found = await row<{ count: number }>(
      on,
      `SELECT count(*)::integer AS count FROM reconciliation_failures
       WHERE failed_at > now() - ${RECENT_FOR_MS} * interval '1 ms'`,
    );
    return found!.count;
  }
}
