/** The inventory of the `wholesale` dialect: by page number, and by the sequence number of its changes. */
import type { FastifyRequest } from 'fastify';
import { iso } from '../books';
import type { CatalogueItem } from '../catalogue';
import type { Strikes } from '../faults';
import type { Listing, Stockroom } from '../stockroom';
import type { Answer, Manners, OpenVendor } from './exchange';
import { beginTelling, type TellingOf } from './listing-faults';
import { numberIn, type Query, unknownParameter } from './query';

const ROWS_DEFAULT = 500;
const ROWS_MAX = 1_000;
const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

export class WholesaleInventory {
  /** Page numbers carry nothing on, so what the faults made of page 1 is remembered for the pages after it. */
  private latest: TellingOf | undefined;

  constructor(
    private readonly stockroom: Stockroom,
    private readonly error: Manners['error'],
  ) {}

  async page(query: unknown, strikes: Strikes): Promise<Answer> {
    const wanted = this.read(query as Query);
    if ('status' in wanted) return wanted;
    const { page, pageSize } = wanted;
    if (page === 1 || !this.latest) this.latest = await beginTelling(this.stockroom, strikes);
    const { rowsMax, listing } = this.latest;
    // Each page is of its own moment, as if it were read for itself; a stale one stays what it was.
    const now = page === 1 ? listing : await this.stockroom.beginListing(listing.source, listing.order);
    const total = Math.min(this.stockroom.sizeOf(now), rowsMax ?? Infinity);
    const rowsBefore = (page - 1) * pageSize;
    const items = await this.stockroom.pageAt(now, rowsBefore, Math.max(0, Math.min(pageSize, total - rowsBefore)));
    return { status: 200, body: pageShown(now, page, pageSize, total, items) };
  }

  private read(query: Query): { page: number; pageSize: number } | Answer {
    const unknown = unknownParameter(query, ['page', 'page_size']);
    if (unknown !== undefined) return this.error(400, 'UNSUPPORTED_PARAMETER', unknown);
    const page = numberIn(query.page, 1, NUMBER_MAX, 1);
    if (page === undefined) return this.error(400, 'BAD_REQUEST', 'page must be a whole number from 1.');
    const pageSize = numberIn(query.page_size, 1, ROWS_MAX, ROWS_DEFAULT);
    if (pageSize !== undefined) return { page, pageSize };
    return this.error(400, 'BAD_REQUEST', `page_size must be a whole number from 1 to ${ROWS_MAX}.`);
  }
}

export function wholesaleChanges({ stockroom, settings }: OpenVendor, error: Manners['error']) {
  return async (request: FastifyRequest, strikes: Strikes): Promise<Answer> => {
    const query = request.query as Query;
    const unknown = unknownParameter(query, ['after', 'limit']);
    if (unknown !== undefined) return error(400, 'UNSUPPORTED_PARAMETER', unknown);
    const after = numberIn(query.after, 0, NUMBER_MAX);
    if (after === undefined) return error(400, 'BAD_REQUEST', 'after must be a sequence number.');
    const limit = numberIn(query.limit, 1, ROWS_MAX, ROWS_DEFAULT);
    if (limit === undefined) return error(400, 'BAD_REQUEST', `limit must be a whole number from 1 to ${ROWS_MAX}.`);
    const source = strikes('staleSnapshot') ? 'start' : 'now';
    const { asOfMs, sequence: until } = await stockroom.beginListing(source, 'ascending');
    if (!stockroom.reaches(after, settings.deltaChangesMax)) {
      return error(410, 'SEQUENCE_TOO_OLD', 'What changed since then is no longer known; read the whole inventory.');
    }
    const { items, through, more } = await stockroom.changes(after, until, limit);
    if (strikes('reorderedSnapshot')) items.reverse();
    const body = { as_of: iso(asOfMs), sequence: through, has_more: more, items: items.map(rowShown) };
    return { status: 200, body };
  };
}

function pageShown(listing: Listing, page: number, pageSize: number, total: number, items: CatalogueItem[]): object {
  return {
    as_of: iso(listing.asOfMs),
    sequence: listing.sequence,
    page,
    total_pages: Math.max(1, Math.ceil(total / pageSize)),
    total_items: total,
    items: items.map(rowShown),
  };
}

function rowShown({ sku, name, quantity, price }: CatalogueItem): object {
  // Without its point a price with two places is its cents.
  return { item_number: sku, description: name, on_hand: quantity, price_cents: Number(price.replace('.', '')) };
}
