import { Injectable } from '@nestjs/common';
import { type Connection, prepared, row, rows, type Transaction } from '../database/sql';
import { CALLS_ALLOWED, JOIN_ORDERS_BREAKER } from './breaker/breaker.repository';

/** Whether slot `s` may be taken, where so many `calls_allowed` (`CALLS_ALLOWED`) may be under way. */
export const SLOT_IS_FREE =
  's.slot <= calls_allowed AND (s.leased_until IS NULL OR s.leased_until < clock_timestamp())';

/** What came of asking for a slot; `opening`: the opening of the vendor's breaker that its holder probes. */
export interface SpareSlot {
  paused: boolean;
  callsAllowed: number;
  opening: string | null;
  token: string | null;
}

/**
 * A vendor's slots: how many calls may be under way at once over all workers. A slot is taken in the statement that
 * claims the order, and freed in the transaction that records the outcome; that of a dead worker is free when its lease
 * ends. The token is the claim's, and names the holder. While the vendor's breaker is half open one slot is given out, so
 * that its holder is the only one to probe.
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

  /**
   * Takes the last free slot, for a call that is of no claimed order, and leaves so many others free. `token` is null where
   * there is none: the vendor is shut (`callsAllowed` 0), or too many are in use.
   */
  async takeSpare(on: Connection, vendorId: string, leaseMs: number, leavesFree = 0): Promise<SpareSlot> {
    return (await row<SpareSlot>(
      on,
      `WITH allowed AS MATERIALIZED (
         SELECT v.vendor_id, v.paused, ${CALLS_ALLOWED} AS calls_allowed,
                CASE WHEN b.open_until IS NOT NULL THEN b.opening END AS opening
         FROM vendors v ${JOIN_ORDERS_BREAKER} WHERE v.vendor_id = $1),
       taken AS (
         UPDATE vendor_slots
         SET token = nextval('fencing_tokens'), leased_until = clock_timestamp() + $2::integer * interval '1 ms'
         WHERE (vendor_id, slot) = (
           SELECT s.vendor_id, s.slot FROM allowed JOIN vendor_slots s USING (vendor_id)
           WHERE ${SLOT_IS_FREE} AND (SELECT count(*) FROM allowed JOIN vendor_slots s USING (vendor_id)
                                      WHERE ${SLOT_IS_FREE}) > $3::integer
           ORDER BY s.slot DESC LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED)
         RETURNING token)
       SELECT paused, calls_allowed AS "callsAllowed", opening, (SELECT token FROM taken) AS token FROM allowed`,
      [vendorId, leaseMs, leavesFree],
    ))!;
  }

  async free(tx: Transaction, vendorId: string, token: string): Promise<void> {
    const statement = 'UPDATE vendor_slots SET token = NULL, leased_until = NULL WHERE vendor_id = $1 AND token = $2';
    await prepared(tx, 'free-slot', statement, [vendorId, token]);
  }
}
