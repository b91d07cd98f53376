import type { FieldError } from '../../http/problem-types';
import { parseProductId } from '../../stock/product';
import { ProductNotFound, StockStale } from '../../stock/stock.errors';
import type { LockedProduct } from '../../stock/stock.repository';
import { VendorDisabled } from '../../vendors/vendors.errors';
import { IdempotencyInProgress, IdempotencyKeyReused, InsufficientStock } from '../orders.errors';
import type { IdempotencyKey, KeyClaim } from './idempotency.repository';
import type { Grant } from './placement.repository';

/** One product of a purchase, to become one order. */
export interface AskedLine {
  /** Made before anything is written, so that an unknown commit can be looked for. */
  orderId: string;
  productId: string;
  quantity: number;
  /** Where the request named it: `quantity`, or every `lines[n].quantity` that was summed into it. */
  quantityFields: string[];
  productFields: string[];
}

/** What is asked for at once, all or nothing: an order has one line, a checkout one for each product. */
export interface Asked {
  lines: AskedLine[];
  checkoutId: string | null;
  client: string;
  traceparent: string | null;
  key?: IdempotencyKey;
}

/**
 * What is decided: it is granted, a grant for each line; refused; or its key was answered before, by an earlier
 * transaction (`remembered`) or by an earlier one of the same batch (`repeats`, its index). Or nothing is, for something else has
 * locked what it asks for.
 */
export type Verdict =
  | { kind: 'granted'; grants: Grant[] }
  | { kind: 'refused'; refusal: Error }
  | { kind: 'remembered'; claim: Required<KeyClaim> }
  | { kind: 'repeats'; earlier: number }
  | { kind: 'locked'; productIds: string[] };

/** Products of a batch: those that are ours until the transaction ends, and those that something else has locked. */
export interface ProductsForBatch {
  products: ReadonlyMap<string, LockedProduct>;
  locked: ReadonlySet<string>;
}

/**
 * Decides a batch in arrival order, each by itself: one that does not fit fails alone. The products are locked, so what
 * is granted here is there.
 */
export function verdictsOn(
  batch: Asked[],
  { products, locked }: ProductsForBatch,
  claims: ReadonlyMap<string, KeyClaim>,
): Verdict[] {
  const left = new Map([...products].map(([productId, { sellableQuantity }]) => [productId, sellableQuantity]));
  const answeredHere = new Map<string, number>();
  const verdicts: Verdict[] = [];
  for (const [index, asked] of batch.entries()) {
    const verdict =
      verdictOfKey(asked, claims, answeredHere, batch) ??
      verdictOfLocks(asked, locked) ??
      verdictOfStock(asked, products, left);
    if (asked.key && isRemembered(verdict)) answeredHere.set(asked.key.id, index);
    verdicts.push(verdict);
  }
  return verdicts;
}

/** What was created, and insufficient stock, are answered again to the same key; other refusals leave it free. */
export function isRemembered(verdict: Verdict): boolean {
  return verdict.kind === 'granted' || (verdict.kind === 'refused' && verdict.refusal instanceof InsufficientStock);
}

function verdictOfKey(
  { key }: Asked,
  claims: ReadonlyMap<string, KeyClaim>,
  answeredHere: ReadonlyMap<string, number>,
  batch: Asked[],
): Verdict | undefined {
  if (!key) return undefined;
  const { free, remembered } = claims.get(key.id)!;
  if (!free && !remembered) return { kind: 'refused', refusal: new IdempotencyInProgress() };
  const earlier = answeredHere.get(key.id);
  const usedWith = remembered?.fingerprint ?? (earlier === undefined ? undefined : batch[earlier]!.key!.fingerprint);
  if (usedWith === undefined) return undefined;
  if (!usedWith.equals(key.fingerprint)) return { kind: 'refused', refusal: new IdempotencyKeyReused() };
  return remembered ? { kind: 'remembered', claim: { free, remembered } } : { kind: 'repeats', earlier: earlier! };
}

function verdictOfLocks({ lines }: Asked, locked: ReadonlySet<string>): Verdict | undefined {
  if (locked.size === 0) return undefined;
  const productIds = lines.map(({ productId }) => productId).filter((productId) => locked.has(productId));
  return productIds.length === 0 ? undefined : { kind: 'locked', productIds };
}

function verdictOfStock(
  { lines }: Asked,
  products: ReadonlyMap<string, LockedProduct>,
  left: Map<string, number>,
): Verdict {
  const refusal =
    unknownProducts(lines, products, left) ??
    disabledVendors(lines, products) ??
    staleStock(lines, products) ??
    missingStock(lines, left);
  if (refusal) return { kind: 'refused', refusal };
  const grants = lines.map(({ productId, quantity }): Grant => {
    const availableQuantity = left.get(productId)!;
    left.set(productId, availableQuantity - quantity);
    const { price: unitPrice, at: createdAt } = products.get(productId)!;
    return { unitPrice, availableQuantity, createdAt };
  });
  return { kind: 'granted', grants };
}

/** Names those beside them too that do not fit, so that nobody has to ask again to hear of them. */
function unknownProducts(
  lines: AskedLine[],
  products: ReadonlyMap<string, LockedProduct>,
  left: ReadonlyMap<string, number>,
): Error | undefined {
  const unknown = lines.filter(({ productId }) => !products.has(productId));
  if (unknown.length === 0) return undefined;
  const ids = unknown.map(({ productId }) => productId);
  const errors = lines.flatMap((line) => {
    const { productId, quantity: requested, productFields } = line;
    if (products.has(productId)) return shortages(line, left.get(productId)!);
    const message = 'is not a known product';
    return productFields.map((field): FieldError => ({ field, message, productId, requested, available: 0 }));
  });
  return new ProductNotFound(ids.join(', '), errors);
}

function disabledVendors(lines: AskedLine[], products: ReadonlyMap<string, LockedProduct>): Error | undefined {
  const disabled = lines.find(({ productId }) => !products.get(productId)!.vendorEnabled);
  return disabled && new VendorDisabled(parseProductId(disabled.productId)!.vendorId);
}

/** Said before a lack of stock: what there is will be known again. */
function staleStock(lines: AskedLine[], products: ReadonlyMap<string, LockedProduct>): Error | undefined {
  const blocked = lines.filter(({ productId }) => products.get(productId)!.blocked);
  if (blocked.length === 0) return undefined;
  const errors = blocked.flatMap(({ productId, productFields }) =>
    productFields.map((field): FieldError => ({ field, message: 'is not sold while its stock is stale', productId })),
  );
  return new StockStale(parseProductId(blocked[0]!.productId)!.vendorId, errors);
}

function missingStock(lines: AskedLine[], left: ReadonlyMap<string, number>): Error | undefined {
  const missing = lines.filter(({ productId, quantity }) => quantity > left.get(productId)!);
  if (missing.length === 0) return undefined;
  const errors = missing.flatMap((line) => shortages(line, left.get(line.productId)!));
  const { productId, quantity } = missing[0]!;
  const others = missing.length === 1 ? '' : `; ${missing.length - 1} more lines do not fit`;
  const detail = `${quantity} of ${productId} were asked for, ${left.get(productId)!} can be sold${others}.`;
  return new InsufficientStock(detail, errors);
}

/** Where the request asks for more of a product than is available; empty where it does not. */
function shortages({ productId, quantity: requested, quantityFields }: AskedLine, available: number): FieldError[] {
  if (requested <= available) return [];
  const message = `must not be more than ${available}`;
  return quantityFields.map((field) => ({ field, message, productId, requested, available }));
}
