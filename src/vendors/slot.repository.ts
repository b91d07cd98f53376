import { Injectable } from '@nestjs/common';
import { prepared, rows, type Transaction } from '../database/sql';

/** Whether slot `s` of vendor `v` may be taken. */
export const SLOT_IS_FREE =
  's.slot <= v.max_concurrent_orders AND (s.leased_until IS NULL OR s.leased_until < clock_timestamp())';

/**
 * A vendor's slots: how many calls may be under way at once over all workers. A slot is taken in the statement that
 * claims the order, and freed in the transaction that records the outcome; that of a dead worker is free when its lease
 * ends. The token is the claim's, and names the holder.
 */
@Injectable()
export class SlotRepository {
  /** Makes sure that there are rows for so many slots. Surplus ones are left alone: `take` does not look at them. */
  async provide(tx: Transaction, vendorId: string, slots: number): Promise<void> {
    await rows(
      tx,
      `INSERT INTO vendor_slots (vendor_id, slot) SELECT $1, generate_series(1, $2::integer) ON CONFLICT DO NOTHING`,
      [vendorId, slots],
    );
  }

  async free(tx: Transaction, vendorId: string, token: string): Promise<void> {
    const statement = 'UPDATE vendor_slots SET token = NULL, leased_until = NULL WHERE vendor_id = $1 AND token = $2';
    await prepared(tx, 'free-slot', statement, [vendorId, token]);
  }
}
