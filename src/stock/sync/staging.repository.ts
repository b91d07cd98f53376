import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../../database/sql';
import type { StockRow } from './listing-row';

/** Holds a listing whole before anything of it is applied. */
@Injectable()
export class StagingRepository {
  /** A SKU that comes twice, because the listing moved while it was paged, counts with its later row. */
  async stage(tx: Transaction, syncRunId: string, vendorId: string, listed: StockRow[]): Promise<void> {
    const bySku = [...new Map(listed.map((item) => [item.sku, item])).values()];
    await rows(
      tx,
      `INSERT INTO stock_staging (sync_run_id, product_id, sku, name, price, quantity)
       SELECT $1, $2 || ':' || sku, sku, name, price, quantity
       FROM unnest($3::varchar[], $4::varchar[], $5::numeric[], $6::integer[]) AS listed (sku, name, price, quantity)
       ON CONFLICT (sync_run_id, product_id) DO UPDATE
         SET name = excluded.name, price = excluded.price, quantity = excluded.quantity`,
      [
        syncRunId,
        vendorId,
        bySku.map(({ sku }) => sku),
        bySku.map(({ name }) => name),
        bySku.map(({ price }) => price),
        bySku.map(({ quantity }) => quantity),
      ],
    );
  }

  /** `known`: listed products; `missing`: those of them that the staged listing lacks. */
  async count(
    on: Connection,
    syncRunId: string,
    vendorId: string,
  ): Promise<{ staged: number; known: number; missing: number }> {
    return (await row<{ staged: number; known: number; missing: number }>(
      on,
      `SELECT (SELECT count(*)::integer FROM stock_staging WHERE sync_run_id = $1) AS staged,
              count(*)::integer AS known, count(*) FILTER (WHERE s.product_id IS NULL)::integer AS missing
       FROM products p LEFT JOIN stock_staging s ON s.sync_run_id = $1 AND s.product_id = p.product_id
       WHERE p.vendor_id = $2 AND p.listed`,
      [syncRunId, vendorId],
    ))!;
  }

  /** Removes the run's listing, and those that dead workers left. */
  async clear(on: Connection, syncRunId: string): Promise<void> {
    await rows(
      on,
      `DELETE FROM stock_staging s WHERE s.sync_run_id = $1
         OR NOT EXISTS (SELECT FROM stock_sync_runs r WHERE r.sync_run_id = s.sync_run_id AND r.status = 'running')`,
      [syncRunId],
    );
  }
}
