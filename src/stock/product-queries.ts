import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../config/config';
import { ListsDataSource } from '../database/pools';
import { prepared, rows } from '../database/sql';
import { staleSql } from '../vendors/vendor.repository';
import { parseProductId, type Product } from './product';
import { productColumns, productOf, type ProductRow } from './product-row';
import { nameContainsSql } from './name-search';
import { blockedSql, sellableSql } from './sellable';

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
    private readonly lists: ListsDataSource,
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

  /**
   * Products by vendor, then by id. Vendor by vendor, each by its own index and for no more than a page: joined the other
   * way round, what a vendor's state rules out would be read product by product.
   */
  async list(filter: ProductFilter): Promise<Product[]> {
    const { ofVendors, ofProducts, values } = conditionsOf(filter);
    const statement = `SELECT ${productColumns('$1::integer')}
       FROM vendors v CROSS JOIN LATERAL (
         SELECT * FROM products p WHERE ${ofProducts.join(' AND ')} ORDER BY p.product_id LIMIT ${filter.limit}) p
       ${ofVendors.length > 0 ? `WHERE ${ofVendors.join(' AND ')}` : ''}
       ORDER BY v.vendor_id, p.product_id LIMIT ${filter.limit}`;
    const found = await this.lists.read((on) =>
      rows<ProductRow>(on, statement, [this.config.stockSyncIntervalMs, ...values]),
    );
    return found.map((product) => productOf(product, this.config.currency));
  }
}

/** Only the conditions that are asked for, so that the planner sees what each can use. Parameters from $2 on. */
function conditionsOf({ vendorId, q, inStock, listed, after }: ProductFilter): {
  ofVendors: string[];
  ofProducts: string[];
  values: unknown[];
} {
  const values: unknown[] = [];
  const placeholder = (value: unknown): string => `$${values.push(value) + 1}`;
  const stale = staleSql('$1::integer');
  const ofVendors: string[] = [];
  const ofProducts = ['p.vendor_id = v.vendor_id', listed ? 'p.listed' : 'NOT p.listed'];
  if (vendorId !== undefined) ofVendors.push(`v.vendor_id = ${placeholder(vendorId)}`);
  if (q !== undefined) ofProducts.push(nameContainsSql(placeholder(q)));
  if (inStock !== undefined) ofProducts.push(`(${sellableSql(stale)} > 0) = ${inStock}`);
  // Said of the vendor too: not one of a million products need be read to find that nothing of it is sold.
  if (inStock) ofVendors.push('v.enabled', `NOT ${blockedSql(stale)}`);
  if (after !== undefined) {
    const [vendor, product] = [placeholder(after[0]), placeholder(after[1])];
    ofVendors.push(`v.vendor_id >= ${vendor}`);
    // Not a comparison of rows: beside the equality of vendors an index would begin at the vendor's first product.
    ofProducts.push(`p.product_id > CASE WHEN v.vendor_id = ${vendor} THEN ${product}::varchar ELSE '' END`);
  }
  return { ofVendors, ofProducts, values };
}
