import { Injectable } from '@nestjs/common';
import { timestampText } from '../../http/cursor';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import type { Leave } from '../../vendors/breaker/breaker';
import { VENDOR_COLUMNS, vendorOf } from '../../vendors/vendor.repository';
import type { PollMarks } from '../../vendors/vendor-adapter';
import type { Vendor } from '../../vendors/vendor';
import { HOLD_WAIT_INTERVALS } from './poll-plan';

/** The right to sync one vendor, and what the last sync left behind. */
export interface SyncLease {
  vendor: Vendor;
  /** The vendor's books that are polled. */
  addressEpochs: number[];
  /** Our clock, to the microsecond: since when it is at these books; null: always. */
  addressSince: string | null;
  /** Fencing token: whoever lost it writes nothing. */
  token: string;
  /** Our clock: the poll begins no earlier than this. */
  polledAt: Date;
  /** Vendor's clock: the newest listing that was applied. */
  stockAsOf: Date | null;
  clockOffsetMs: number | null;
  /** Our clock: start of the last poll that confirmed the whole picture. */
  fullSyncedAt: Date | null;
  /** Our clock, to the microsecond: when an operator accepted a jump of the vendor's clock. */
  epochAt: string | null;
  /** Of the same dialect and address. */
  marks: PollMarks;
  hasHeldRun: boolean;
  /** An acknowledged hold is older than two intervals. */
  holdsWait: boolean;
  /** Its last poll failed. */
  suspect: boolean;
  /** Its last poll took long. */
  slow: boolean;
  /** To call it. Who has the lease is the only one to, and so the probe of a breaker that is open. */
  leave: Leave;
}

/** What a listing that was applied says of the vendor's picture. */
export interface Picture {
  kind: 'full' | 'delta';
  asOf: Date | null;
  /** Our clock: when one of its time was first asked for. */
  firstPolledAt: Date;
  /** An operator believes its time, though it may be before one that was applied. */
  timeBelieved: boolean;
  clockOffsetMs: number | null;
  marks: PollMarks;
}

/** Somebody else syncs this vendor now, because our lease ran out or an operator decided about an earlier run. */
export class SyncLeaseLost extends Error {
  constructor(vendorId: string) {
    super(`The lease to sync ${vendorId} was lost`);
  }
}

type LeaseRow = Parameters<typeof vendorOf>[0] & {
  sync_token: string;
  polled_at: Date;
  stock_as_of: Date | null;
  clock_offset_ms: string | null;
  full_synced_at: Date | null;
  epoch_at: string | null;
  position: string | null;
  etag: string | null;
  has_held_run: boolean;
  holds_wait: boolean;
  suspect: boolean;
  slow: boolean;
  opening: string | null;
  address_epochs: number[];
  address_since: string | null;
};

/** Marks mean something only to the dialect and at the address that gave them. */
const SOURCE = `kind || ' ' || base_url`;

/** Of a vendor's breaker `b`. */
const NOT_CLOSED = `b.operation = 'stock' AND b.open_until IS NOT NULL`;

/** $1: lease in ms, $2: the installation's poll interval in ms. */
const LEASE = `sync_token = sync_token + 1, sync_leased_until = clock_timestamp() + $1::integer * interval '1 ms'`;
const LEASED = `${VENDOR_COLUMNS}, address_epochs, ${timestampText('address_since')} AS address_since, sync_token, clock_timestamp() AS polled_at, clock_offset_ms, full_synced_at,
  GREATEST(stock_as_of, full_as_of) AS stock_as_of, ${timestampText('stock_epoch_at')} AS epoch_at,
  CASE WHEN sync_marks_of = ${SOURCE} THEN sync_position END AS position,
  CASE WHEN sync_marks_of = ${SOURCE} THEN sync_etag END AS etag, sync_failures > 0 AS suspect, sync_slow AS slow,
  (SELECT opening FROM vendor_breakers b WHERE b.vendor_id = vendors.vendor_id AND ${NOT_CLOSED}) AS opening,
  EXISTS (SELECT FROM stock_sync_runs r WHERE r.vendor_id = vendors.vendor_id AND r.status = 'held') AS has_held_run,
  EXISTS (
    SELECT FROM orders o WHERE o.vendor_id = vendors.vendor_id AND o.hold_state = 'acknowledged'
      AND COALESCE(o.address_epoch, 1) = ANY (address_epochs) AND o.acknowledged_at < clock_timestamp()
        - ${HOLD_WAIT_INTERVALS} * COALESCE(sync_interval_ms, $2::integer) * interval '1 ms') AS holds_wait`;

@Injectable()
export class SyncLeaseRepository {
  /**
   * Takes the vendor that has been due longest, if any is due and free; `suspects`: also one whose last poll failed, `slow`:
   * also one whose last poll took long. While
   * its breaker is open a vendor is due only if an operator asked for it, who may know more than we do.
   */
  async takeDue(
    on: Connection,
    {
      leaseMs,
      intervalMsDefault,
      suspects,
      slow,
    }: { leaseMs: number; intervalMsDefault: number; suspects: boolean; slow: boolean },
  ): Promise<SyncLease | undefined> {
    const taken = await row<LeaseRow>(
      on,
      `UPDATE vendors SET ${LEASE}
       WHERE vendor_id = (
         SELECT vendor_id FROM vendors v
         WHERE enabled AND ($3 OR sync_failures = 0) AND ($4 OR NOT sync_slow)
           AND (sync_due_at <= clock_timestamp() AND NOT EXISTS (
               SELECT FROM vendor_breakers b
               WHERE b.vendor_id = v.vendor_id AND ${NOT_CLOSED} AND b.open_until > clock_timestamp())
             OR EXISTS (SELECT FROM stock_sync_runs r WHERE r.vendor_id = v.vendor_id AND r.status = 'pending'))
           AND (sync_leased_until IS NULL OR sync_leased_until < clock_timestamp())
         ORDER BY sync_due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
       RETURNING ${LEASED}`,
      [leaseMs, intervalMsDefault, suspects, slow],
    );
    return taken && leaseOf(taken);
  }

  /** Takes a vendor from whoever syncs it now: that run writes nothing more. */
  async seize(tx: Transaction, vendorId: string, leaseMs: number): Promise<SyncLease> {
    const taken = await row<LeaseRow>(tx, `UPDATE vendors SET ${LEASE} WHERE vendor_id = $3 RETURNING ${LEASED}`, [
      leaseMs,
      0,
      vendorId,
    ]);
    return leaseOf(taken!);
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

  /**
   * Records that the picture is fresh and what speaks for it: a complete listing for every product, a delta only for the
   * rows it wrote. A complete listing without a time takes back what an earlier one said of the time.
   */
  async complete(tx: Transaction, { vendor, token, polledAt }: SyncLease, picture: Picture): Promise<void> {
    const { kind, asOf, clockOffsetMs, marks, timeBelieved } = picture;
    await rows(
      tx,
      `UPDATE vendors SET synced_at = GREATEST(synced_at, $3), sync_failures = 0,
         stock_as_of = CASE WHEN $10 THEN COALESCE($4, stock_as_of) ELSE GREATEST(stock_as_of, $4) END,
         clock_offset_ms = COALESCE($5, clock_offset_ms),
         full_as_of = CASE WHEN $6 THEN $4 ELSE full_as_of END,
         full_polled_at = CASE WHEN $6 THEN $11 ELSE full_polled_at END,
         full_synced_at = CASE WHEN $6 THEN $3 ELSE full_synced_at END,
         sync_position = $7, sync_etag = $8, sync_marks_of = $9
       WHERE vendor_id = $1 AND sync_token = $2`,
      [
        vendor.vendorId,
        token,
        polledAt,
        asOf,
        clockOffsetMs === null ? null : Math.round(clockOffsetMs),
        kind === 'full',
        marks.position,
        marks.etag,
        `${vendor.kind} ${vendor.baseUrl}`,
        timeBelieved,
        picture.firstPolledAt,
      ],
    );
  }

  /** Records that the vendor confirmed the whole picture without listing it. */
  async confirm(tx: Transaction, { vendor, token, polledAt }: SyncLease): Promise<void> {
    await rows(
      tx,
      `UPDATE vendors SET synced_at = $3, full_synced_at = $3, sync_failures = 0
       WHERE vendor_id = $1 AND sync_token = $2`,
      [vendor.vendorId, token, polledAt],
    );
  }

  /** Records that numbers of this time were applied although the listing did not speak for every product. */
  async notice(tx: Transaction, { vendor, token }: SyncLease, asOf: Date | null): Promise<void> {
    await rows(
      tx,
      `UPDATE vendors SET stock_as_of = COALESCE($3, stock_as_of), sync_failures = 0
       WHERE vendor_id = $1 AND sync_token = $2`,
      [vendor.vendorId, token, asOf],
    );
  }

  /** What is written from now on is no longer the listing that the validator stands for; a run that completes gives one. */
  async forgetEtag(tx: Transaction, { vendor, token }: SyncLease): Promise<void> {
    await rows(
      tx,
      'UPDATE vendors SET sync_etag = NULL WHERE vendor_id = $1 AND sync_token = $2 AND sync_etag IS NOT NULL',
      [vendor.vendorId, token],
    );
  }

  async fail(on: Connection, { vendor, token }: SyncLease): Promise<void> {
    await rows(on, 'UPDATE vendors SET sync_failures = sync_failures + 1 WHERE vendor_id = $1 AND sync_token = $2', [
      vendor.vendorId,
      token,
    ]);
  }

  /**
   * From now on times of the vendor mean something else: nothing counts as contained before a listing that is asked for
   * later than this. Answers this moment, to the microsecond.
   */
  async beginEpoch(tx: Transaction, { vendor, token }: SyncLease): Promise<string> {
    const begun = await row<{ epoch_at: string }>(
      tx,
      `UPDATE vendors SET stock_epoch_at = clock_timestamp(), full_as_of = NULL
       WHERE vendor_id = $1 AND sync_token = $2 RETURNING ${timestampText('stock_epoch_at')} AS epoch_at`,
      [vendor.vendorId, token],
    );
    return begun!.epoch_at;
  }

  /**
   * Gives the lease back; the vendor is due again after the delay, or sooner where it was registered anew meanwhile. (A time
   * of registration that lies ahead is of before our own clock was set back.)
   */
  async release(
    on: Connection,
    { vendor, token, polledAt }: SyncLease,
    delayMs: number,
    tookLong: boolean | null = null,
  ): Promise<void> {
    await rows(
      on,
      `UPDATE vendors SET sync_leased_until = NULL, sync_slow = COALESCE($5, sync_slow),
         sync_due_at = LEAST(
           clock_timestamp() + $3::integer * interval '1 ms',
           CASE WHEN updated_at > $4 AND updated_at <= clock_timestamp() THEN sync_due_at END)
       WHERE vendor_id = $1 AND sync_token = $2`,
      [vendor.vendorId, token, Math.round(delayMs), polledAt, tookLong],
    );
  }
}

function leaseOf(taken: LeaseRow): SyncLease {
  return {
    vendor: vendorOf(taken),
    addressEpochs: taken.address_epochs,
    addressSince: taken.address_since,
    token: taken.sync_token,
    polledAt: taken.polled_at,
    stockAsOf: taken.stock_as_of,
    clockOffsetMs: taken.clock_offset_ms === null ? null : Number(taken.clock_offset_ms),
    fullSyncedAt: taken.full_synced_at,
    epochAt: taken.epoch_at,
    marks: { position: taken.position, etag: taken.etag },
    hasHeldRun: taken.has_held_run,
    holdsWait: taken.holds_wait,
    suspect: taken.suspect,
    slow: taken.slow,
    leave: { vendorId: taken.vendor_id, operation: 'stock', opening: taken.opening, givenAt: performance.now() },
  };
}
