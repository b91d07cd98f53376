/** What a cursor of the `rest` dialect carries, so that every page of a listing belongs to the same one. */
import { isSku, isWholeNumber } from '../catalogue';
import type { Listing } from '../stockroom';

/** Where a reader of a complete listing goes on. */
export interface PlaceInListing {
  readonly listing: Listing;
  readonly after: string | null;
  /** How many more rows there are to be; null: all there are. */
  readonly rowsLeft: number | null;
}

/** Where a reader of a delta goes on; it ends with the change that was the last one when it began. */
export interface PlaceInDelta {
  readonly delta: { readonly asOfMs: number; readonly until: number; readonly order: Listing['order'] };
  readonly after: number;
}

/** A cursor is some 100 bytes around a SKU of at most 128 characters. */
const CURSOR_CHARACTERS_MAX = 2_000;
const TIME_MS_MAX = 8.64e15;

export function writeCursor(place: PlaceInListing | PlaceInDelta): string {
  const parts =
    'delta' in place
      ? [place.delta.asOfMs, place.delta.until, place.delta.order, place.after]
      : [place.listing.asOfMs, place.listing.source, place.listing.order, place.after, place.rowsLeft];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

export function readCursor(cursor: string): PlaceInListing | PlaceInDelta | undefined {
  if (cursor.length > CURSOR_CHARACTERS_MAX) return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts)) return undefined;
  return parts.length === 4 ? placeInDelta(parts) : parts.length === 5 ? placeInListing(parts) : undefined;
}

function placeInListing([asOfMs, source, order, after, rowsLeft]: unknown[]): PlaceInListing | undefined {
  if (!isWholeNumber(asOfMs, 0, TIME_MS_MAX) || !isSku(after) || !isOrder(order)) return undefined;
  if (source !== 'now' && source !== 'start') return undefined;
  if (rowsLeft !== null && !isWholeNumber(rowsLeft, 0, Number.MAX_SAFE_INTEGER)) return undefined;
  // Nobody asks a listing that has begun for its sequence.
  return { listing: { asOfMs, sequence: 0, source, order }, after, rowsLeft };
}

function placeInDelta([asOfMs, until, order, after]: unknown[]): PlaceInDelta | undefined {
  if (!isWholeNumber(asOfMs, 0, TIME_MS_MAX) || !isOrder(order)) return undefined;
  if (!isWholeNumber(until, 0, Number.MAX_SAFE_INTEGER) || !isWholeNumber(after, 0, until)) return undefined;
  return { delta: { asOfMs, until, order }, after };
}

function isOrder(value: unknown): value is Listing['order'] {
  return value === 'ascending' || value === 'descending';
}
