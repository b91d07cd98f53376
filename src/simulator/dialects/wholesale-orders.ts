/** `GET /purchase_orders` of the `wholesale` dialect: the orders that changed, by page number. */
import type { FastifyRequest } from 'fastify';
import type { Strikes } from '../faults';
import type { ChangedOrder } from '../shop';
import type { Answer, Manners, OpenVendor } from './exchange';
import { OrderList } from './order-list';
import { numberIn, type Query, timeIn, unknownParameter } from './query';

const ROWS_DEFAULT = 500;
const ROWS_MAX = 1_000;
const NUMBER_MAX = 1_000_000;

export function wholesaleOrders(
  vendor: OpenVendor,
  error: Manners['error'],
  rowShown: (order: ChangedOrder) => object,
) {
  const list = new OrderList(vendor);
  return async ({ query }: FastifyRequest<{ Querystring: Query }>, strikes: Strikes): Promise<Answer> => {
    if (!list.isOffered) return error(501, 'NOT_OFFERED', 'This vendor lists no purchase orders.');
    const unknown = unknownParameter(query, ['changed_since', 'page', 'page_size', 'list']);
    if (unknown !== undefined) return error(400, 'UNSUPPORTED_PARAMETER', unknown);
    const page = numberIn(query.page, 1, NUMBER_MAX, 1);
    const pageSize = numberIn(query.page_size, 1, ROWS_MAX, ROWS_DEFAULT);
    const sinceMs = timeIn(query.changed_since);
    if (page === undefined || pageSize === undefined || sinceMs === undefined) {
      return error(400, 'BAD_REQUEST', 'changed_since must be a time, page and page_size whole numbers from 1.');
    }
    const { list: known } = query;
    if (page > 1 && typeof known !== 'string') return error(400, 'BAD_REQUEST', 'list must be that of page 1.');
    const key = page > 1 ? (known as string) : await list.begin(sinceMs, strikes);
    const shown = list.page(`${key}:${(page - 1) * pageSize}`, pageSize, strikes);
    if (!shown) return error(410, 'LIST_TOO_OLD', 'That list is no longer known; begin again at page 1.');
    const body = {
      as_of: shown.asOf,
      list: key,
      page,
      total_pages: Math.max(1, Math.ceil(shown.total / pageSize)),
      total_items: shown.total,
      items: shown.rows.map(rowShown),
    };
    return { status: 200, body };
  };
}
