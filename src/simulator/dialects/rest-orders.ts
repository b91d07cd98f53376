/** `GET /orders` of the `rest` dialect: the orders that changed, page by page. */
import type { FastifyRequest } from 'fastify';
import type { Strikes } from '../faults';
import type { Answer, Manners, OpenVendor } from './exchange';
import { OrderList } from './order-list';
import { numberIn, type Query, timeIn, unknownParameter } from './query';

const LIMIT_DEFAULT = 500;
const LIMIT_MAX = 1_000;

export function restOrders(vendor: OpenVendor, error: Manners['error']) {
  const list = new OrderList(vendor);
  return async ({ query }: FastifyRequest<{ Querystring: Query }>, strikes: Strikes): Promise<Answer> => {
    if (!list.isOffered) return error(404, 'NOT_OFFERED', 'This vendor lists no orders.');
    const unknown = unknownParameter(query, ['changedSince', 'limit', 'cursor']);
    if (unknown !== undefined) return error(400, 'UNSUPPORTED_PARAMETER', unknown);
    const limit = numberIn(query.limit, 1, LIMIT_MAX, LIMIT_DEFAULT);
    if (limit === undefined) return error(400, 'BAD_REQUEST', `limit must be a whole number from 1 to ${LIMIT_MAX}.`);
    const sinceMs = timeIn(query.changedSince);
    if (sinceMs === undefined) {
      return error(400, 'BAD_REQUEST', 'changedSince must be a time such as 2026-01-31T12:00:00.000Z.');
    }
    const { cursor } = query;
    const place = typeof cursor === 'string' ? cursor : `${await list.begin(sinceMs, strikes)}:0`;
    const page = list.page(place, limit, strikes);
    if (!page) return error(400, 'INVALID_CURSOR', 'The cursor is none this vendor handed out lately.');
    const items = page.rows.map(({ changedMs: _, ...row }) => row);
    return { status: 200, body: { asOf: page.asOf, items, nextCursor: page.next } };
  };
}
