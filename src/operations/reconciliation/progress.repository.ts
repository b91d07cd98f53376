import { Injectable } from '@nestjs/common';
import { type Connection, rows, type Transaction } from '../../database/sql';

/** How far regular comparisons with a vendor have come. */
export interface ReconciliationProgress {
  vendorId: string;
  /** End of the last one that said all there was to say; before the first, when it was registered. Seconds since 1970. */
  succeededAt: number;
  /** Age of its oldest order that was not compared yet; 0 where there is none. */
  behindSeconds: number;
  /** Orders that were passed over within the last day. */
  skipped: number;
}

/** How far regular comparisons with each vendor have come. */
@Injectable()
export class ProgressRepository {
  /** One has ended. */
  async note(
    tx: Transaction,
    vendorId: string,
    { succeeded, toGoOn }: { succeeded: boolean; toGoOn: boolean },
  ): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_progress AS p (vendor_id, succeeded_at, to_go_on)
       VALUES ($1, CASE WHEN $2::boolean THEN clock_timestamp() END, $3)
       ON CONFLICT (vendor_id) DO UPDATE
         SET succeeded_at = COALESCE(excluded.succeeded_at, p.succeeded_at), to_go_on = excluded.to_go_on`,
      [vendorId, succeeded, toGoOn],
    );
  }

  /** So many orders were passed over. */
  async skip(tx: Transaction, vendorId: string, orders: number): Promise<void> {
    await rows(
      tx,
      `INSERT INTO reconciliation_progress AS p (vendor_id, skipped, skipped_at) VALUES ($1, $2, clock_timestamp())
       ON CONFLICT (vendor_id) DO UPDATE SET skipped_at = excluded.skipped_at, skipped = excluded.skipped + CASE
         WHEN p.skipped_at > now() - interval '1 day' THEN p.skipped ELSE 0 END`,
      [vendorId, orders],
    );
  }

  list(on: Connection): Promise<ReconciliationProgress[]> {
    return rows(
      on,
      `SELECT v.vendor_id AS "vendorId",
              extract(epoch FROM COALESCE(p.succeeded_at, v.created_at))::float8 AS "succeededAt",
              COALESCE(extract(epoch FROM now() - oldest.created_at), 0)::float8 AS "behindSeconds",
              CASE WHEN p.skipped_at > now() - interval '1 day' THEN p.skipped ELSE 0 END AS skipped
       FROM vendors v
         LEFT JOIN reconciliation_progress p USING (vendor_id)
         LEFT JOIN reconciliation_marks m USING (vendor_id)
         LEFT JOIN LATERAL (
           SELECT o.created_at FROM orders o
           WHERE o.vendor_id = v.vendor_id
             AND (o.created_at, o.order_id) > (COALESCE(m.created_at, '-infinity'), COALESCE(m.order_id, ''))
           ORDER BY o.created_at, o.order_id LIMIT 1) oldest ON true`,
    );
  }
}
