import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import { VENDOR_COLUMNS, vendorOf } from '../../vendors/vendor.repository';
import type { Vendor } from '../../vendors/vendor';

/** The right to sync one vendor, and what the last sync left behind. */
export interface SyncLease {
  vendor: Vendor;
  /** Fencing token: whoever lost it writes nothing. */
  token: string;
  /** Our clock: the poll begins no earlier than this. */
  polledAt: Date;
  fullAsOf: Date | null;
  clockOffsetMs: number | null;
}

/** Somebody else syncs this vendor now, because our lease ran out. */
export class SyncLeaseLost extends Error {
  constructor(vendorId: string) {
    super(`The lease to sync ${vendorId} ran out`);
  }
}

type LeaseRow = Parameters<typeof vendorOf>[0] & {
  sync_token: string;
  polled_at: Date;
  full_as_of: Date | null;
  clock_offset_ms: string | null;
};

@Injectable()
export class SyncLeaseRepository {
  /** Takes the vendor that has been due longest, if any is due and free. */
  async takeDue(on: Connection, leaseMs: number): Promise<SyncLease | undefined> {
    const taken = await row<LeaseRow>(
      on,
      `UPDATE vendors SET sync_token = sync_token + 1, sync_leased_until = clock_timestamp() + $1::integer * interval '1 ms'
       WHERE vendor_id = (
         SELECT vendor_id FROM vendors
         WHERE enabled AND sync_due_at <= clock_timestamp()
           AND (sync_leased_until IS NULL OR sync_leased_until < clock_timestamp())
         ORDER BY sync_due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
       RETURNING ${VENDOR_COLUMNS}, sync_token, clock_timestamp() AS polled_at, full_as_of, clock_offset_ms`,
      [leaseMs],
    );
    return (
      taken && {
        vendor: vendorOf(taken),
        token: taken.sync_token,
        polledAt: taken.polled_at,
        fullAsOf: taken.full_as_of,
        clockOffsetMs: taken.clock_offset_ms === null ? null : Number(taken.clock_offset_ms),
      }
    );
  }

  /**
   * Keeps the lease. Called last in every transaction of a run, so that a worker that was frozen and wakes up rolls
   * back what it wrote. Throws `SyncLeaseLost`.
   */
  async renew(tx: Transaction, { vendor: { vendorId }, token }: SyncLease, leaseMs: number): Promise<void> {
    const renewed = await row(
      tx,
      `UPDATE vendors SET sync_leased_until = clock_timestamp() + $3::integer * interval '1 ms'
       WHERE vendor_id = $1 AND sync_token = $2 AND sync_leased_until > clock_timestamp() RETURNING vendor_id`,
      [vendorId, token, leaseMs],
    );
    if (!renewed) throw new SyncLeaseLost(vendorId);
  }

  /** Records that the picture is fresh: the listing was applied whole. */
  async confirm(tx: Transaction, { vendor, token, polledAt }: SyncLease, asOf: Date, offsetMs: number): Promise<void> {
    await rows(
      tx,
      'UPDATE vendors SET full_as_of = $3, clock_offset_ms = $4, synced_at = $5 WHERE vendor_id = $1 AND sync_token = $2',
      [vendor.vendorId, token, asOf, Math.round(offsetMs), polledAt],
    );
  }

  /** Gives the lease back; the vendor is due again after the delay. */
  async release(on: Connection, { vendor, token }: SyncLease, delayMs: number): Promise<void> {
    await rows(
      on,
      `UPDATE vendors SET sync_leased_until = NULL, sync_due_at = clock_timestamp() + $3::integer * interval '1 ms'
       WHERE vendor_id = $1 AND sync_token = $2`,
      [vendor.vendorId, token, Math.round(delayMs)],
    );
  }
}
