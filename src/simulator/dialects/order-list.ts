/**
 * The list of changed orders, as every dialect shows it in its own words: what changed at or after a time, page by page. A
 * list stays what it was at its first page, whatever happens meanwhile.
 */
import { iso } from '../books';
import type { Strikes } from '../faults';
import type { ChangedOrder } from '../shop';
import type { OpenVendor } from './exchange';

/** Lists that are being read; of more readers at once the oldest is sent back to the start. */
const LISTS_KEPT = 8;
/** A stale one is of this long ago. */
const STALE_MS = 3_600_000;

export interface OrderListPage {
  readonly asOf: string;
  readonly rows: readonly ChangedOrder[];
  /** Of the whole list. */
  readonly total: number;
  /** Where the next page begins; null after the last. */
  readonly next: string | null;
}

interface OrderListing {
  readonly asOfMs: number;
  readonly rows: readonly ChangedOrder[];
}

export class OrderList {
  private readonly kept = new Map<string, OrderListing>();
  private begun = 0;

  constructor(private readonly vendor: OpenVendor) {}

  get isOffered(): boolean {
    return this.vendor.settings.orderList > 0;
  }

  /** Answers the key that names it. */
  async begin(sinceMs: number, strikes: Strikes): Promise<string> {
    const { shop } = this.vendor;
    const lag = strikes('listLag');
    const stale = strikes('staleSnapshot');
    const empty = strikes('emptySnapshot');
    const truncated = strikes('truncatedSnapshot');
    const reordered = strikes('reorderedSnapshot');
    const { asOfMs, rows } = await shop.changedSince(sinceMs);
    const shownMs = stale ? asOfMs - STALE_MS : asOfMs;
    const shown = rows.filter(({ changedMs }) => changedMs <= shownMs - (lag?.ms ?? 0));
    if (reordered) shown.reverse();
    const size = empty ? 0 : truncated ? Math.floor(shown.length * truncated.keepShare) : shown.length;
    const key = `${shownMs}-${++this.begun}`;
    this.kept.set(key, { asOfMs: shownMs, rows: shown.slice(0, size) });
    if (this.kept.size > LISTS_KEPT) this.kept.delete(this.kept.keys().next().value as string);
    return key;
  }

  /** Undefined: no list has this place, or has it any more. */
  page(place: string, limit: number, strikes: Strikes): OrderListPage | undefined {
    const [key = '', offset = ''] = place.split(':');
    const listing = this.kept.get(key);
    if (!listing || !/^\d{1,9}$/.test(offset)) return undefined;
    const from = Number(offset);
    const rows = listing.rows.slice(from, from + limit);
    const end = from + rows.length;
    const isUnstable = from > 0 && strikes('unstablePages') !== undefined;
    return {
      asOf: iso(listing.asOfMs + (isUnstable ? 1 : 0)),
      rows,
      total: listing.rows.length,
      next: end < listing.rows.length ? `${key}:${end}` : null,
    };
  }
}
