import { Injectable } from '@nestjs/common';
import { OutcomesDataSource } from '../../database/pools';
import { row, rows } from '../../database/sql';

/** The condition of an index by vendor. An order that is not decided is held; one that is acknowledged is completed. */
const OPEN_HOLD = `hold_state IN ('held', 'acknowledged')`;

@Injectable()
export class OpenWork {
  constructor(private readonly dataSource: OutcomesDataSource) {}

  /**
   * Vendors with a message in the outbox, the one that has waited longest first. Each is found by skipping through an index,
   * so that those without any cost nothing: 0.1 ms where there are none, some milliseconds where there are 1,000.
   */
  sending(): Promise<string[]> {
    return this.vendorIds(
      `WITH RECURSIVE sending AS (
         (SELECT vendor_id, due_at FROM outbox ORDER BY vendor_id, due_at LIMIT 1)
         UNION ALL
         SELECT next.vendor_id, next.due_at FROM sending CROSS JOIN LATERAL (
           SELECT o.vendor_id, o.due_at FROM outbox o
            WHERE o.vendor_id > sending.vendor_id ORDER BY o.vendor_id, o.due_at LIMIT 1) AS next
       )
       SELECT vendor_id AS "vendorId" FROM sending ORDER BY due_at, vendor_id`,
    );
  }

  /**
   * Vendors with an order that is not decided, or one to recall: what is at the broker is about one of them. Skips through
   * the index of open holds, and reads the acknowledged ones of those vendors only that have no other.
   */
  undecided(): Promise<string[]> {
    return this.vendorIds(
      `WITH RECURSIVE holding AS (
         (SELECT vendor_id FROM orders WHERE ${OPEN_HOLD} ORDER BY vendor_id, product_id LIMIT 1)
         UNION ALL
         SELECT next.vendor_id FROM holding CROSS JOIN LATERAL (
           SELECT o.vendor_id FROM orders o
            WHERE o.vendor_id > holding.vendor_id AND ${OPEN_HOLD} ORDER BY o.vendor_id, o.product_id LIMIT 1) AS next
       )
       SELECT vendor_id AS "vendorId" FROM holding
        WHERE EXISTS (SELECT FROM orders o
                       WHERE o.vendor_id = holding.vendor_id AND ${OPEN_HOLD} AND o.hold_state = 'held')
       UNION SELECT vendor_id FROM orders WHERE recall_requested_at IS NOT NULL`,
    );
  }

  /** Whether the vendor has an order that is not decided, one to recall, or a message on its way. */
  async exists(vendorId: string): Promise<boolean> {
    const found = await row<{ exists: boolean }>(
      this.dataSource.manager,
      `SELECT EXISTS (SELECT FROM outbox WHERE vendor_id = $1)
           OR EXISTS (SELECT FROM orders WHERE vendor_id = $1 AND recall_requested_at IS NOT NULL)
           OR EXISTS (SELECT FROM orders WHERE vendor_id = $1 AND status = 'pending') AS exists`,
      [vendorId],
    );
    return found!.exists;
  }

  private async vendorIds(statement: string): Promise<string[]> {
    return (await rows<{ vendorId: string }>(this.dataSource.manager, statement)).map(({ vendorId }) => vendorId);
  }
}
