import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../config/config';
import { prepared, rows } from '../database/sql';
import { staleSql } from '../vendors/vendor.repository';
import { parseProductId, type Product } from './product';
import { productColumns, productOf, type ProductRow } from './product-row';
import { sellableSql } from './sellable';

export interface ProductFilter {
  vendorId?: string;
  /** Part of the name, whatever its case. */
  q?: string;
  inStock?: boolean;
  /** false shows those that left the listing, and only those. */
  listed: boolean;
  /** Sort key of the last product of the page before. */
  after?: readonly [vendorId: string, productId: string];
  limit: number;
}

/** A product, and what it becomes while nobody can say how old it is. */
export interface ProductRead {
  product: Product;
  /** What could be sold of it if it were stale. */
  sellableWhenStale: number;
  /** Since the vendor's last successful poll began. */
  stockAgeSeconds: number;
}

const READ = `
  SELECT ${productColumns('$3::integer')}, ${sellableSql('true')} AS sellable_when_stale,
         floor(extract(epoch FROM now() - COALESCE(v.synced_at, p.observed_at)))::integer AS stock_age_seconds
  FROM unnest($1::varchar[], $2::varchar[]) AS wanted (vendor_id, product_id)
    JOIN products p ON p.vendor_id = wanted.vendor_id AND p.product_id = wanted.product_id
    JOIN vendors v ON v.vendor_id = p.vendor_id`;

/** Reads of the catalogue. They never decide whether an order fits: placement reads under its own lock. */
@Injectable()
export class ProductQueries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly config: Config,
  ) {}

  /** Those of the ids that exist, in one statement: a vendor can be read from an id, so each lookup knows its partition. */
  async findMany(productIds: string[]): Promise<ProductRead[]> {
    const wanted = productIds.filter((id) => parseProductId(id) !== undefined);
    const vendorIds = wanted.map((id) => parseProductId(id)!.vendorId);
    const runner = this.dataSource.createQueryRunner();
    try {
      const found = await prepared<ProductRow & { sellable_when_stale: number; stock_age_seconds: number }>(
        runner.manager,
        'read-products',
        READ,
        [vendorIds, wanted, this.config.stockSyncIntervalMs],
      );
      return found.map((row) => ({
        product: productOf(row, this.config.currency),
        sellableWhenStale: row.sellable_when_stale,
        stockAgeSeconds: row.stock_age_seconds,
      }));
    } finally {
      await runner.release();
    }
  }

  /** Products by vendor, then by id. */
  async list({ vendorId, q, inStock, listed, after, limit }: ProductFilter): Promise<Product[]> {
    const found = await rows<ProductRow>(
      this.dataSource.manager,
      `SELECT ${productColumns('$1::integer')}
       FROM products p JOIN vendors v USING (vendor_id)
       WHERE p.listed = $2
         AND ($3::varchar IS NULL OR p.vendor_id = $3)
         AND ($4::varchar IS NULL OR p.name ILIKE $4)
         AND ($5::boolean IS NULL OR (${sellableSql(staleSql('$1::integer'))} > 0) = $5)
         AND ($6::varchar IS NULL OR (p.vendor_id, p.product_id) > ($6, $7::varchar))
       ORDER BY p.vendor_id, p.product_id LIMIT $8`,
      [
        this.config.stockSyncIntervalMs,
        listed,
        vendorId ?? null,
        q === undefined ? null : `%${q.replace(/[\\%_]/g, '\\$&')}%`,
        inStock ?? null,
        after?.[0] ?? null,
        after?.[1] ?? null,
        limit,
      ],
    );
    return found.map((product) => productOf(product, this.config.currency));
  }
}
