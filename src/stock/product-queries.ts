import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../config/config';
import { rows } from '../database/sql';
import { staleSql } from '../vendors/vendor.repository';
import { parseProductId, type Product } from './product';
import { sellableSql } from './sellable';
import { ProductNotFound } from './stock.errors';

interface ProductRow {
  product_id: string;
  vendor_id: string;
  sku: string;
  name: string;
  price: string;
  stock_quantity: number;
  sellable_quantity: number;
  vendor_quantity: number;
  reserved_quantity: number;
  listed: boolean;
  observed_at: Date;
  stale: boolean;
  updated_at: Date;
}

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

const select = (intervalMsDefault: string): string => `
  SELECT p.product_id, p.vendor_id, p.sku, p.name, p.price, p.stock_quantity,
         ${sellableSql(staleSql(intervalMsDefault))} AS sellable_quantity,
         p.vendor_quantity, p.reserved_quantity, p.listed, p.updated_at,
         GREATEST(p.observed_at, CASE WHEN p.listed THEN v.synced_at END) AS observed_at,
         ${staleSql(intervalMsDefault)} AS stale
  FROM products p JOIN vendors v USING (vendor_id)`;

/** Reads of the catalogue. They never decide whether an order fits: placement reads under its own lock. */
@Injectable()
export class ProductQueries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly config: Config,
  ) {}

  /** Throws `ProductNotFound`. */
  async get(productId: string): Promise<Product> {
    const key = parseProductId(productId);
    const [found] = key
      ? await rows<ProductRow>(
          this.dataSource.manager,
          `${select('$3::integer')} WHERE p.vendor_id = $1 AND p.product_id = $2`,
          [key.vendorId, productId, this.config.stockSyncIntervalMs],
        )
      : [];
    if (!found) throw new ProductNotFound(productId);
    return this.productOf(found);
  }

  /** Products by vendor, then by id. */
  async list({ vendorId, q, inStock, listed, after, limit }: ProductFilter): Promise<Product[]> {
    const found = await rows<ProductRow>(
      this.dataSource.manager,
      `${select('$1::integer')}
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
    return found.map((product) => this.productOf(product));
  }

  private productOf(found: ProductRow): Product {
    return {
      productId: found.product_id,
      vendorId: found.vendor_id,
      sku: found.sku,
      name: found.name,
      price: found.price,
      currency: this.config.currency,
      stockQuantity: found.stock_quantity,
      sellableQuantity: found.sellable_quantity,
      vendorQuantity: found.vendor_quantity,
      reservedQuantity: found.reserved_quantity,
      listed: found.listed,
      observedAt: found.observed_at.toISOString(),
      stale: found.stale,
      updatedAt: found.updated_at.toISOString(),
    };
  }
}
