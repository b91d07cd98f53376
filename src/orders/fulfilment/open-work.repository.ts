import { Injectable } from '@nestjs/common';
import { OutcomesDataSource } from '../../database/pools';
import { row } from '../../database/sql';

@Injectable()
export class OpenWork {
  constructor(private readonly dataSource: OutcomesDataSource) {}

  /** Whether a message to the vendor waits in the outbox: the first sign of work for one that had none. */
  async hasMessage(vendorId: string): Promise<boolean> {
    const statement = 'SELECT EXISTS (SELECT FROM outbox WHERE vendor_id = $1) AS exists';
    return (await row<{ exists: boolean }>(this.dataSource.manager, statement, [vendorId]))!.exists;
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
}
