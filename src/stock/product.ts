import { VENDOR_ID } from '../vendors/vendor';
import { isPrintable } from '../http/rules';

/** What a vendor sells, as we know it. Prices are decimal strings in the installation's currency. */
export interface Product {
  productId: string;
  vendorId: string;
  sku: string;
  name: string;
  price: string;
  currency: string;
  /** max(0, vendorQuantity − reservedQuantity) */
  stockQuantity: number;
  /** What an order placed now could get: after the vendor's stale-stock policy; 0 when unlisted or it is disabled. */
  sellableQuantity: number;
  /** What the vendor said last. */
  vendorQuantity: number;
  /** What we have promised and the vendor's number does not contain yet. */
  reservedQuantity: number;
  /** Whether the vendor's last complete listing had it. */
  listed: boolean;
  /** Start of the last poll whose listing covered it, by our clock. */
  observedAt: string;
  /** The vendor's last successful poll is older than three of its intervals. */
  stale: boolean;
  updatedAt: string;
}

export const SKU_LENGTH_MAX = 128;
export const PRODUCT_NAME_LENGTH_MAX = 500;
/** A vendor id of 32, the colon, a SKU of 128. */
export const PRODUCT_ID_LENGTH_MAX = 161;

/** The vendor and SKU a product id names, or undefined where it cannot be one. */
export function parseProductId(productId: string): { vendorId: string; sku: string } | undefined {
  const colon = productId.indexOf(':');
  const vendorId = productId.slice(0, colon);
  const sku = productId.slice(colon + 1);
  return colon > 0 && VENDOR_ID.test(vendorId) && isSku(sku) ? { vendorId, sku } : undefined;
}

export function isSku(sku: string): boolean {
  return isPrintable(sku, SKU_LENGTH_MAX);
}
