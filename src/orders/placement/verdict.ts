import { parseProductId } from '../../stock/product';
import { ProductNotFound } from '../../stock/stock.errors';
import type { LockedProduct } from '../../stock/stock.repository';
import { VendorDisabled } from '../../vendors/vendors.errors';
import { IdempotencyInProgress, IdempotencyKeyReused, InsufficientStock } from '../orders.errors';
import type { IdempotencyKey, KeyClaim } from './idempotency.repository';

/** An order that is asked for. Its id is made before anything is written, so that an unknown commit can be looked for. */
export interface AskedOrder {
  orderId: string;
  productId: string;
  quantity: number;
  client: string;
  traceparent: string | null;
  key?: IdempotencyKey;
}

/**
 * What is decided about an asked order: it is granted, refused, or its key was answered before, by an earlier
 * transaction (`remembered`) or by an earlier order of the same batch (`repeats`, its index).
 */
export type Verdict =
  | { kind: 'granted'; vendorId: string; unitPrice: string; availableQuantity: number }
  | { kind: 'refused'; refusal: Error }
  | { kind: 'remembered'; claim: Required<KeyClaim> }
  | { kind: 'repeats'; earlier: number };

/**
 * Decides a batch in arrival order, each order by itself: one that does not fit fails alone. The products are locked,
 * so what is granted here is there.
 */
export function verdictsOn(
  batch: AskedOrder[],
  products: ReadonlyMap<string, LockedProduct>,
  claims: ReadonlyMap<string, KeyClaim>,
): Verdict[] {
  const left = new Map([...products].map(([productId, { sellableQuantity }]) => [productId, sellableQuantity]));
  const answeredHere = new Map<string, number>();
  const verdicts: Verdict[] = [];
  for (const [index, asked] of batch.entries()) {
    const verdict =
      verdictOfKey(asked, claims, answeredHere, batch) ?? verdictOfStock(asked, products.get(asked.productId), left);
    if (asked.key && isRemembered(verdict)) answeredHere.set(asked.key.id, index);
    verdicts.push(verdict);
  }
  return verdicts;
}

/** Created orders and insufficient stock are answered again to the same key; every other refusal leaves it free. */
export function isRemembered(verdict: Verdict): boolean {
  return verdict.kind === 'granted' || (verdict.kind === 'refused' && verdict.refusal instanceof InsufficientStock);
}

function verdictOfKey(
  { key }: AskedOrder,
  claims: ReadonlyMap<string, KeyClaim>,
  answeredHere: ReadonlyMap<string, number>,
  batch: AskedOrder[],
): Verdict | undefined {
  if (!key) return undefined;
  const { free, remembered } = claims.get(key.id)!;
  if (!free) return { kind: 'refused', refusal: new IdempotencyInProgress() };
  const earlier = answeredHere.get(key.id);
  const usedWith = remembered?.fingerprint ?? (earlier === undefined ? undefined : batch[earlier]!.key!.fingerprint);
  if (usedWith === undefined) return undefined;
  if (!usedWith.equals(key.fingerprint)) return { kind: 'refused', refusal: new IdempotencyKeyReused() };
  return remembered ? { kind: 'remembered', claim: { free, remembered } } : { kind: 'repeats', earlier: earlier! };
}

function verdictOfStock(
  { productId, quantity }: AskedOrder,
  product: LockedProduct | undefined,
  left: Map<string, number>,
): Verdict {
  const parsed = parseProductId(productId);
  if (!parsed || !product) return { kind: 'refused', refusal: new ProductNotFound(productId) };
  const { vendorId } = parsed;
  if (!product.vendorEnabled) return { kind: 'refused', refusal: new VendorDisabled(vendorId) };
  const availableQuantity = left.get(productId)!;
  if (quantity > availableQuantity) {
    return { kind: 'refused', refusal: new InsufficientStock(productId, quantity, availableQuantity) };
  }
  left.set(productId, availableQuantity - quantity);
  return { kind: 'granted', vendorId, unitPrice: product.price, availableQuantity };
}
