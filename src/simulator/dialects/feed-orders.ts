/** `GET /orders.ndjson` of the `feed` dialect: the orders that changed, in files of so many lines. */
import type { FastifyRequest } from 'fastify';
import type { Strikes } from '../faults';
import type { ChangedOrder } from '../shop';
import type { Answer, Manners, OpenVendor } from './exchange';
import { LongText } from './long-text';
import { OrderList } from './order-list';
import { numberIn, type Query, timeIn, unknownParameter } from './query';

const LINES_DEFAULT = 500;
const LINES_MAX = 1_000;

export function feedOrders(vendor: OpenVendor, error: Manners['error'], rowShown: (order: ChangedOrder) => object) {
  const list = new OrderList(vendor);
  return async ({ query }: FastifyRequest<{ Querystring: Query }>, strikes: Strikes): Promise<Answer> => {
    if (!list.isOffered) return error(404, 'NOT_OFFERED', 'This vendor lists no orders.');
    const unknown = unknownParameter(query, ['changedSince', 'lines', 'after']);
    if (unknown !== undefined) return error(400, 'UNSUPPORTED_PARAMETER', unknown);
    const lines = numberIn(query.lines, 1, LINES_MAX, LINES_DEFAULT);
    const sinceMs = timeIn(query.changedSince);
    if (lines === undefined || sinceMs === undefined) {
      return error(400, 'BAD_REQUEST', `changedSince must be a time, lines a whole number from 1 to ${LINES_MAX}.`);
    }
    const { after } = query;
    const place = typeof after === 'string' ? after : `${await list.begin(sinceMs, strikes)}:0`;
    const page = list.page(place, lines, strikes);
    if (!page) return error(400, 'UNKNOWN_PLACE', 'after is no place this vendor has told lately.');
    const end = { end: true, count: page.rows.length, next: page.next };
    const text = [{ asOf: page.asOf }, ...page.rows.map(rowShown), end].map((line) => `${JSON.stringify(line)}\n`);
    return { status: 200, text: LongText.of(text.join('')), headers: { 'content-type': 'application/x-ndjson' } };
  };
}
