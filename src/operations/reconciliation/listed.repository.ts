import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import type { Vendor } from '../../vendors/vendor';
import type { Place } from './candidate.repository';

/** A vendor that lists no orders is asked again after this, in case it does by now. */
const ASK_AGAIN_MS = 6 * 3_600_000;
/** Where no list was read yet: a day more than orders are compared for, should the vendor's clock be wrong by hours. */
const FIRST_LIST_DAYS = 8;

/** How far a vendor's list of changed orders was read, at the address it has now. */
export interface ListStanding {
  /** The vendor's clock at the last list that was read to its end. Null: none was. */
  until: Date | null;
  /** Our clock: how long ago that was, ms. */
  readAgoMs: number | null;
  /** From where on the first list is asked for, by our clock. */
  firstSince: Date;
  /** It has said, not long ago, that it lists none. */
  isAbsent: boolean;
}

/** What vendors' lists of changed orders have told, and how far they were read. */
@Injectable()
export class ListedRepository {
  async standing(on: Connection, { vendorId, baseUrl }: Vendor): Promise<ListStanding> {
    return (await row<ListStanding>(
      on,
      `SELECT p.list_until AS until, extract(epoch FROM now() - p.list_read_at)::float8 * 1000 AS "readAgoMs",
              now() - ${FIRST_LIST_DAYS} * interval '1 day' AS "firstSince",
              COALESCE(p.list_absent_at > now() - ${ASK_AGAIN_MS} * interval '1 ms', false) AS "isAbsent"
       FROM (SELECT) one LEFT JOIN reconciliation_progress p ON p.vendor_id = $1 AND p.list_base_url = $2`,
      [vendorId, baseUrl],
    ))!;
  }

  /** A list was read to its end. */
  async readUntil(tx: Transaction, { vendorId, baseUrl }: Vendor, until: Date): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_progress (vendor_id, list_base_url, list_until, list_read_at)
       VALUES ($1, $2, $3, clock_timestamp())
       ON CONFLICT (vendor_id) DO UPDATE SET list_base_url = excluded.list_base_url, list_until = excluded.list_until,
         list_read_at = excluded.list_read_at, list_absent_at = NULL`,
      [vendorId, baseUrl, until],
    );
  }

  /** The vendor lists none. */
  async absent(tx: Transaction, { vendorId, baseUrl }: Vendor): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_progress AS p (vendor_id, list_base_url, list_absent_at)
       VALUES ($1, $2, clock_timestamp())
       ON CONFLICT (vendor_id) DO UPDATE SET list_absent_at = excluded.list_absent_at,
         list_until = CASE WHEN p.list_base_url = excluded.list_base_url THEN p.list_until END,
         list_read_at = CASE WHEN p.list_base_url = excluded.list_base_url THEN p.list_read_at END,
         list_base_url = excluded.list_base_url`,
      [vendorId, baseUrl],
    );
  }

  /** The list and our books agree about these; kept for those whose turn is still to come. */
  async note(tx: Transaction, vendorId: string, orderIds: string[], mark: Place): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_listed (order_id, vendor_id)
       SELECT o.order_id, $1 FROM orders o
       WHERE o.order_id = ANY ($2) AND ((o.created_at, o.order_id) > ($3::timestamptz, $4::varchar)
         OR EXISTS (SELECT FROM reconciliation_revisits r WHERE r.order_id = o.order_id))
       ON CONFLICT DO NOTHING`,
      [vendorId, orderIds, mark.createdAt, mark.orderId],
    );
  }

  async forget(tx: Transaction, orderIds: string[]): Promise<void> {
    await rows(tx, 'DELETE FROM reconciliation_listed WHERE order_id = ANY ($1)', [orderIds]);
  }

  /** Those of the references that are orders here, whichever vendor's. */
  async known(on: Connection, references: string[]): Promise<Set<string>> {
    const found = await rows<{ orderId: string }>(
      on,
      'SELECT order_id AS "orderId" FROM orders WHERE order_id = ANY ($1)',
      [references],
    );
    return new Set(found.map(({ orderId }) => orderId));
  }

  /** Those of the references about which a case was opened, and not closed by the system. */
  async cased(on: Connection, references: string[]): Promise<Set<string>> {
    const found = await rows<{ subject: string }>(
      on,
      `SELECT subject FROM reconciliation_cases
       WHERE subject = ANY ($1) AND kind = 'boughtButForgotten' AND (status = 'open' OR resolution = 'dismiss')`,
      [references],
    );
    return new Set(found.map(({ subject }) => subject));
  }

  /** References of the open cases about orders that are unknown here. */
  async openForgotten(on: Connection, vendorId: string, limit: number): Promise<string[]> {
    const found = await rows<{ subject: string }>(
      on,
      `SELECT subject FROM reconciliation_cases
       WHERE vendor_id = $1 AND kind = 'boughtButForgotten' AND status = 'open' ORDER BY checked_at LIMIT $2`,
      [vendorId, limit],
    );
    return found.map(({ subject }) => subject);
  }
}
