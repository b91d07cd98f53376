import { staleSql } from '../vendors/vendor.repository';
import type { Product } from './product';
import { sellableSql } from './sellable';

export interface ProductRow {
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

/** Of product `p` and its vendor `v`. `intervalMsDefault`: a parameter with the installation's poll interval. */
export const productColumns = (intervalMsDefault: string): string => `
  p.product_id, p.vendor_id, p.sku, p.name, p.price, p.stock_quantity,
  ${sellableSql(staleSql(intervalMsDefault))} AS sellable_quantity,
  p.vendor_quantity, p.reserved_quantity, p.listed, p.updated_at,
  GREATEST(p.observed_at, CASE WHEN p.listed THEN v.synced_at END) AS observed_at,
  ${staleSql(intervalMsDefault)} AS stale`;

export function productOf(found: ProductRow, currency: string): Product {
  return {
    productId: found.product_id,
    vendorId: found.vendor_id,
    sku: found.sku,
    name: found.name,
    price: found.price,
    currency,
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
