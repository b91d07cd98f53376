/**
 * What the faults make of a complete listing. They strike a listing as a whole, at its beginning, and it stays what it
 * is to its last page, whatever is switched meanwhile.
 */
import type { Strikes } from '../faults';
import type { Listing, Stockroom } from '../stockroom';

/** A listing and how many rows it pretends to have; null: all there are. */
export interface TellingOf {
  readonly listing: Listing;
  readonly rowsMax: number | null;
}

export async function beginTelling(stockroom: Stockroom, strikes: Strikes): Promise<TellingOf> {
  const rowsMax = rowsToldOf(stockroom, strikes);
  const source = strikes('staleSnapshot') ? 'start' : 'now';
  const order = strikes('reorderedSnapshot') ? 'descending' : 'ascending';
  return { listing: await stockroom.beginListing(source, order), rowsMax };
}

/** Whether no fault has made it something else than what the vendor has now; only then can it be called unchanged. */
export function isTrue({ listing, rowsMax }: TellingOf): boolean {
  return listing.source === 'now' && listing.order === 'ascending' && rowsMax === null;
}

function rowsToldOf(stockroom: Stockroom, strikes: Strikes): number | null {
  if (strikes('emptySnapshot')) return 0;
  const truncated = strikes('truncatedSnapshot');
  return truncated ? Math.floor(stockroom.sizeOf({ source: 'now' }) * truncated.keepShare) : null;
}
