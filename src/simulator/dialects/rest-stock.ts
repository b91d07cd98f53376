/** `GET /stock` of the `rest` dialect: the complete listing or what changed since a time, page by page. */
import type { FastifyRequest } from 'fastify';
import { iso } from '../books';
import type { Strikes } from '../faults';
import { matches } from './etag';
import type { Answer, Manners, OpenVendor } from './exchange';
import { beginTelling, isTrue } from './listing-faults';
import { numberIn, type Query, timeIn, unknownParameter } from './query';
import { type PlaceInDelta, type PlaceInListing, readCursor, writeCursor } from './rest-cursor';

const LIMIT_DEFAULT = 500;
const LIMIT_MAX = 1_000;

type StockRequest = FastifyRequest<{ Querystring: Query }>;
type Wanted = { limit: number; place: PlaceInListing | PlaceInDelta | undefined; sinceMs: number | undefined };

export function restStock(vendor: OpenVendor, error: Manners['error']) {
  return async (request: StockRequest, strikes: Strikes): Promise<Answer> => {
    const wanted = readWanted(request.query, error);
    if ('status' in wanted) return wanted;
    const { limit, place, sinceMs } = wanted;
    if (place && 'listing' in place) return listingPage(vendor, place, limit);
    if (place) return (await deltaPage(vendor, place, limit)) ?? tooOld(error);
    if (sinceMs === undefined) return firstListingPage(vendor, request, strikes, limit);
    return (await firstDeltaPage(vendor, sinceMs, strikes, limit)) ?? tooOld(error);
  };
}

async function firstListingPage(
  { stockroom }: OpenVendor,
  request: StockRequest,
  strikes: Strikes,
  limit: number,
): Promise<Answer> {
  const telling = await beginTelling(stockroom, strikes);
  const { listing, rowsMax } = telling;
  const mark = isTrue(telling) ? stockroom.unchangedMark(listing.asOfMs) : undefined;
  // Weak, because the body also carries asOf.
  const headers = mark === undefined ? undefined : { etag: `W/"${mark}-${limit}"` };
  if (headers && matches(request.headers['if-none-match'], headers.etag)) return { status: 304, headers };
  return { ...(await listingPage({ stockroom }, { listing, after: null, rowsLeft: rowsMax }, limit)), headers };
}

async function listingPage(
  { stockroom }: Pick<OpenVendor, 'stockroom'>,
  { listing, after, rowsLeft }: PlaceInListing,
  limit: number,
): Promise<Answer> {
  const rowsMax = Math.min(limit, rowsLeft ?? limit);
  // One more than is shown tells whether there is a next page.
  const found = await stockroom.pageAfter(listing, after, rowsMax + 1);
  const items = found.slice(0, rowsMax);
  const left = rowsLeft === null ? null : rowsLeft - items.length;
  const isLast = found.length <= rowsMax || left === 0;
  const nextCursor = isLast ? null : writeCursor({ listing, after: items.at(-1)?.sku ?? null, rowsLeft: left });
  return { status: 200, body: { asOf: iso(listing.asOfMs), items, nextCursor } };
}

async function firstDeltaPage(
  vendor: OpenVendor,
  sinceMs: number,
  strikes: Strikes,
  limit: number,
): Promise<Answer | undefined> {
  const { stockroom, settings } = vendor;
  const source = strikes('staleSnapshot') ? 'start' : 'now';
  const order = strikes('reorderedSnapshot') ? 'descending' : 'ascending';
  const { asOfMs, sequence } = await stockroom.beginListing(source, order);
  const after = stockroom.lastChangeBefore(sinceMs, settings.deltaChangesMax);
  if (after === undefined) return undefined;
  return deltaPage(vendor, { delta: { asOfMs, until: sequence, order }, after }, limit);
}

/** Undefined: it reaches back too far, or has become too old since its first page. */
async function deltaPage(
  { stockroom, settings }: OpenVendor,
  { delta, after }: PlaceInDelta,
  limit: number,
): Promise<Answer | undefined> {
  if (!stockroom.reaches(after, settings.deltaChangesMax)) return undefined;
  const { items, through, more } = await stockroom.changes(after, delta.until, limit);
  if (delta.order === 'descending') items.reverse();
  const nextCursor = more ? writeCursor({ delta, after: through }) : null;
  return { status: 200, body: { asOf: iso(delta.asOfMs), items, nextCursor } };
}

function tooOld(error: Manners['error']): Answer {
  return error(410, 'DELTA_TOO_OLD', 'The changes since then are no longer known; ask for a complete listing.');
}

function readWanted(query: Query, error: Manners['error']): Wanted | Answer {
  const unknown = unknownParameter(query, ['limit', 'cursor', 'updatedSince']);
  if (unknown !== undefined) return error(400, 'UNSUPPORTED_PARAMETER', unknown);
  const limit = numberIn(query.limit, 1, LIMIT_MAX, LIMIT_DEFAULT);
  if (limit === undefined) return error(400, 'BAD_REQUEST', `limit must be a whole number from 1 to ${LIMIT_MAX}.`);
  const { cursor, updatedSince } = query;
  const place = typeof cursor === 'string' ? readCursor(cursor) : undefined;
  if (cursor !== undefined && !place) {
    return error(400, 'INVALID_CURSOR', 'The cursor is none this vendor handed out.');
  }
  const sinceMs = timeIn(updatedSince);
  if (updatedSince !== undefined && sinceMs === undefined) {
    return error(400, 'BAD_REQUEST', 'updatedSince must be a time such as 2026-01-31T12:00:00.000Z.');
  }
  return { limit, place, sinceMs };
}
