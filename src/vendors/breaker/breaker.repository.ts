import { Injectable } from '@nestjs/common';
import { type Connection, row, rows } from '../../database/sql';
import type { BreakerState } from '../vendor';

/** What may be kept from a vendor: the calls about orders (purchases, look-ups, cancellations), or the polls of its stock. */
export type Operation = 'orders' | 'stock';

/** How long a breaker stays open, in milliseconds: `firstMs`, then twice as long each time a probe fails. */
export interface Pause {
  firstMs: number;
  maxMs: number;
}

/** After a breaker has closed, the calls let through at once double each time so many milliseconds have passed. */
export const RAMP_STEP_MS = 5000;
/** Doublings until every vendor has all it may have: 64 calls. */
const RAMP_STEPS = 6;
/** Of a pause, so that no number overflows. */
const DOUBLINGS_MAX = 30;
const OPEN_MS = 'round(extract(epoch FROM open_until - clock_timestamp()) * 1000)::integer AS open_ms';

/** The state of one of the breakers of the vendor in the row `v`. */
export const breakerStateSql = (operation: Operation): string =>
  `COALESCE((SELECT CASE WHEN b.open_until > clock_timestamp() THEN 'open' ELSE 'halfOpen' END FROM vendor_breakers b
    WHERE b.vendor_id = v.vendor_id AND b.operation = '${operation}' AND b.open_until IS NOT NULL), 'closed')`;

/** Joins to the row `v` of a vendor its breaker for orders as `b`, without columns that could be mistaken for others. */
export const JOIN_ORDERS_BREAKER = `LEFT JOIN LATERAL (
  SELECT opening, open_until, closed_at FROM vendor_breakers
  WHERE vendor_breakers.vendor_id = v.vendor_id AND operation = 'orders') b ON true`;

/**
 * How many calls about orders a vendor `v` with the breaker `b` may be given at once, over all workers: none while paused or
 * open; one, the probe, while half open; 1, 2, 4, … once closed again, up to all it allows.
 */
export const CALLS_ALLOWED = `CASE
  WHEN v.paused OR b.open_until > clock_timestamp() THEN 0
  WHEN b.open_until IS NOT NULL THEN 1
  ELSE LEAST(v.max_concurrent_orders, power(2, GREATEST(0, LEAST(${RAMP_STEPS},
    floor(extract(epoch FROM clock_timestamp() - b.closed_at) * 1000 / ${RAMP_STEP_MS})))))::integer END`;

/** Whether calls about orders of the vendor have failed, or been turned away, one after the other since then. */
export const KEPT_FAILING_SINCE = (vendorId: string, since: string): string =>
  `EXISTS (SELECT FROM vendor_breakers b WHERE b.vendor_id = ${vendorId} AND b.operation = 'orders'
           AND (b.closed_at > ${since} OR b.open_until IS NOT NULL))`;

/** An order that waits for its vendor is tried again long before, and is the probe. */
const UNPROBED = `EXISTS (SELECT FROM vendor_breakers b WHERE b.vendor_id = v.vendor_id AND b.operation = 'orders'
  AND b.open_until < clock_timestamp() - interval '15 minutes')`;

/**
 * The state every worker goes by. Each change is one guarded statement: of workers that notice the same at once, the first
 * makes it and the others find it made.
 */
@Injectable()
export class BreakerRepository {
  /**
   * closed → open. What calls say that began longer ago than `sinceMs` is old, where it has been open meanwhile. Answers
   * for how long it is open, or undefined where nothing was changed.
   */
  async open(
    on: Connection,
    vendorId: string,
    operation: Operation,
    { pause, sinceMs }: { pause: Pause; sinceMs: number },
  ): Promise<number | undefined> {
    const opened = await row<{ open_ms: number }>(
      on,
      `INSERT INTO vendor_breakers AS b (vendor_id, operation, opening, pauses, open_until)
       VALUES ($1, $2, nextval('fencing_tokens'), 1, clock_timestamp() + $3::float8 * interval '1 ms')
       ON CONFLICT (vendor_id, operation) DO UPDATE
         SET opening = excluded.opening, pauses = 1, open_until = excluded.open_until, closed_at = NULL
         WHERE b.open_until IS NULL AND b.closed_at <= clock_timestamp() - $4::float8 * interval '1 ms'
       RETURNING ${OPEN_MS}`,
      [vendorId, operation, pause.firstMs, sinceMs],
    );
    return opened?.open_ms;
  }

  /** The probe failed: open again, for longer. Answers as `open` does; the probe of an earlier opening changes nothing. */
  async reopen(
    on: Connection,
    vendorId: string,
    operation: Operation,
    { opening, pause }: { opening: string; pause: Pause },
  ): Promise<number | undefined> {
    const reopened = await row<{ open_ms: number }>(
      on,
      `UPDATE vendor_breakers
       SET opening = nextval('fencing_tokens'), pauses = pauses + 1, open_until = clock_timestamp()
             + LEAST($5::float8, $4::float8 * power(2, LEAST(pauses, ${DOUBLINGS_MAX}))) * interval '1 ms'
       WHERE vendor_id = $1 AND operation = $2 AND opening = $3 AND open_until IS NOT NULL
       RETURNING ${OPEN_MS}`,
      [vendorId, operation, opening, pause.firstMs, pause.maxMs],
    );
    return reopened?.open_ms;
  }

  /**
   * Of every vendor; null where nothing is under way that could close it: a disabled vendor is not polled, and one that is half
   * open for long has no order to be probed with, or is paused.
   */
  states(on: Connection): Promise<({ vendorId: string } & Record<Operation, BreakerState | null>)[]> {
    return rows(
      on,
      `SELECT vendor_id AS "vendorId", CASE WHEN NOT ${UNPROBED} THEN ${breakerStateSql('orders')} END AS orders,
              CASE WHEN enabled THEN ${breakerStateSql('stock')} END AS stock
       FROM vendors v`,
    );
  }

  /** The probe succeeded. Answers whether that closed it. */
  async close(on: Connection, vendorId: string, operation: Operation, opening: string): Promise<boolean> {
    const closed = await row(
      on,
      `UPDATE vendor_breakers SET open_until = NULL, closed_at = clock_timestamp()
       WHERE vendor_id = $1 AND operation = $2 AND opening = $3 AND open_until IS NOT NULL RETURNING opening`,
      [vendorId, operation, opening],
    );
    return closed !== undefined;
  }
}
