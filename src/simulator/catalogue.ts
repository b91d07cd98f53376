/**
 * What a simulated vendor is and what it sells, and the rules both keep. The rules are those a platform may expect of
 * any vendor; a vendor that breaks them on purpose is a fault, not a catalogue.
 */

import { type DialectName, DIALECTS } from './dialects/dialect-name';
import { complaintAboutSettings, type SettingValues } from './settings';

/** A million SKUs is the largest listing the platform promises to keep up with. */
const CATALOGUE_ITEMS_MAX = 1_000_000;
const SKU_CHARACTERS_MAX = 128;
const NAME_CHARACTERS_MAX = 200;
const REFERENCE_CHARACTERS_MAX = 128;
export const STOCK_QUANTITY_MAX = 1_000_000_000;
export const ORDER_QUANTITY_MAX = 1_000_000;
const SHIPS_AFTER_MS_MAX = 365 * 24 * 3_600_000;
export const SEED_MAX = 0xffff_ffff;

export interface CatalogueItem {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  /** A decimal string with two places, such as `"19.99"`. */
  readonly price: string;
}

/** A catalogue that is nowhere written down: every item follows from its number. The same seed, the same catalogue. */
export interface GeneratedCatalogue {
  readonly generated: { readonly count: number; readonly seed: number };
}

export interface SimulatedVendor {
  readonly vendorId: string;
  readonly name: string;
  readonly catalogue: readonly CatalogueItem[] | GeneratedCatalogue;
  /** `rest`, when absent. */
  readonly dialect?: DialectName;
  /** When set, every request of the dialect must carry it. */
  readonly token?: string;
  /** How it begins; those that are absent take their defaults. */
  readonly settings?: Partial<SettingValues>;
  /** From this age on, by the vendor's clock, an order can no longer be cancelled. Never, when absent. */
  readonly shipsAfterMs?: number;
}

/** @throws Error naming the vendor and the first thing that is wrong with it. */
export function checkVendors(vendors: readonly SimulatedVendor[]): void {
  const vendorIds = new Set<string>();
  for (const vendor of vendors) {
    const complaint = complaintAbout(vendor);
    if (complaint) throw new Error(`Simulated vendor ${JSON.stringify(vendor.vendorId)}: ${complaint}.`);
    if (vendorIds.has(vendor.vendorId)) throw new Error(`Simulated vendor "${vendor.vendorId}" is there twice.`);
    vendorIds.add(vendor.vendorId);
  }
}

export function dialectOf(vendor: SimulatedVendor): DialectName {
  return vendor.dialect ?? 'rest';
}

export function isSku(value: unknown): value is string {
  return isPrintable(value, SKU_CHARACTERS_MAX);
}

export function isName(value: unknown): value is string {
  return isPrintable(value, NAME_CHARACTERS_MAX);
}

export function isReference(value: unknown): value is string {
  return isPrintable(value, REFERENCE_CHARACTERS_MAX);
}

export function isPrice(value: unknown): value is string {
  return typeof value === 'string' && /^(0|[1-9]\d{0,9})\.\d{2}$/.test(value);
}

export function isWholeNumber(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function complaintAbout(vendor: SimulatedVendor): string | undefined {
  if (!/^[a-z][a-z0-9-]{1,31}$/.test(vendor.vendorId)) return 'its id does not match ^[a-z][a-z0-9-]{1,31}$';
  if (!isName(vendor.name)) return `its name is not 1 to ${NAME_CHARACTERS_MAX} printable characters`;
  if (vendor.token === '') return 'its token is empty; leave it out for a vendor that asks for none';
  if (vendor.shipsAfterMs !== undefined && !isWholeNumber(vendor.shipsAfterMs, 0, SHIPS_AFTER_MS_MAX)) {
    return `shipsAfterMs is not a whole number from 0 to ${SHIPS_AFTER_MS_MAX}`;
  }
  if (!DIALECTS.includes(dialectOf(vendor))) return `its dialect is none of ${DIALECTS.join(', ')}`;
  return complaintAboutSettings(dialectOf(vendor), vendor.settings ?? {}) ?? complaintAboutCatalogue(vendor.catalogue);
}

function complaintAboutCatalogue(catalogue: SimulatedVendor['catalogue']): string | undefined {
  if ('generated' in catalogue) {
    const { count, seed } = catalogue.generated;
    if (!isWholeNumber(count, 0, CATALOGUE_ITEMS_MAX)) {
      return `generated.count is not a whole number from 0 to ${CATALOGUE_ITEMS_MAX}`;
    }
    return isWholeNumber(seed, 0, SEED_MAX) ? undefined : `generated.seed is not a whole number from 0 to ${SEED_MAX}`;
  }
  if (catalogue.length > CATALOGUE_ITEMS_MAX) return `it has more than ${CATALOGUE_ITEMS_MAX} items`;
  const skus = new Set<string>();
  for (const item of catalogue) {
    const label = `item ${JSON.stringify(item.sku)}`;
    if (!isSku(item.sku)) return `${label}: the SKU is not 1 to ${SKU_CHARACTERS_MAX} printable characters`;
    if (skus.has(item.sku)) return `${label} is there twice`;
    if (!isName(item.name)) return `${label}: the name is not 1 to ${NAME_CHARACTERS_MAX} printable characters`;
    if (!isPrice(item.price)) return `${label}: the price is not a decimal string such as "19.99"`;
    if (!isWholeNumber(item.quantity, 0, STOCK_QUANTITY_MAX)) {
      return `${label}: the quantity is not a whole number from 0 to ${STOCK_QUANTITY_MAX}`;
    }
    skus.add(item.sku);
  }
  return undefined;
}

/**
 * Counts code points, so that a name in any script has the same room; `\p{C}` are control, format and lone surrogates.
 */
function isPrintable(value: unknown, charactersMax: number): value is string {
  return typeof value === 'string' && !/\p{C}/u.test(value) && value !== '' && [...value].length <= charactersMax;
}
