import { Injectable } from '@nestjs/common';
import { row, rows, type Transaction } from '../database/sql';

/**
 * A vendor's slots: how many calls may be under way at once over all workers. A slot is taken in the transaction that
 * claims the order, and freed in the one that records the outcome; that of a dead worker is free when its lease ends.
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

  /** Answers whether a slot was free. The token is the claim's, and names the holder. */
  async take(tx: Transaction, vendorId: string, token: string, leaseMs: number): Promise<boolean> {
    const taken = await row(
      tx,
      `UPDATE vendor_slots SET token = $2, leased_until = clock_timestamp() + $3::integer * interval '1 ms'
       WHERE (vendor_id, slot) = (
         SELECT s.vendor_id, s.slot FROM vendor_slots s JOIN vendors v USING (vendor_id)
         WHERE s.vendor_id = $1 AND s.slot <= v.max_concurrent_orders
           AND (s.leased_until IS NULL OR s.leased_until < clock_timestamp())
         ORDER BY s.slot LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED)
       RETURNING slot`,
      [vendorId, token, leaseMs],
    );
    return taken !== undefined;
  }

  /** Answers whether the slot was still the token's. */
  async extend(tx: Transaction, vendorId: string, token: string, leaseMs: number): Promise<boolean> {
    const extended = await row(
      tx,
      `UPDATE vendor_slots SET leased_until = clock_timestamp() + $3::integer * interval '1 ms'
       WHERE vendor_id = $1 AND token = $2 AND leased_until > clock_timestamp() RETURNING slot`,
      [vendorId, token, leaseMs],
    );
    return extended !== undefined;
  }

  async free(tx: Transaction, vendorId: string, token: string): Promise<void> {
    await rows(tx, `UPDATE vendor_slots SET token = NULL, leased_until = NULL WHERE vendor_id = $1 AND token = $2`, [
      vendorId,
      token,
    ]);
  }
}
