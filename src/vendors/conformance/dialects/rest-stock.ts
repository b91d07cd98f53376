import { etagOf, fieldsIn } from '../../vendor-answer';
import {
  Breach,
  decimalProblem,
  NoDelta,
  type SeenPage,
  type SeenRow,
  type StockCalls,
  type StockDialect,
} from '../stock-dialect';

/** As the adapter understands it: no deltas, or none that reaches so far back. */
const NO_DELTA = [400, 410, 422, 501];

export const restStock: StockDialect = {
  words: { asOf: 'asOf', sku: 'sku', quantity: 'quantity', price: 'price' },
  credential: 'bearer',
  constantTime: true,
  priceProblem: decimalProblem,
  whole: (calls, pageRows) => pages(calls, { limit: String(pageRows) }),
  changes: (calls, updatedSince) => pages(calls, { limit: '1000', updatedSince }),
  conditional: async (calls, etag, pageRows) =>
    (await calls.get(`/stock?limit=${pageRows}`, { 'if-none-match': etag })).head,
};

async function* pages(calls: StockCalls, query: Record<string, string>): AsyncIterable<SeenPage> {
  const cursors = new Set<string>();
  let cursor: string | null = null;
  do {
    const asked = new URLSearchParams({ ...query, ...(cursor !== null && { cursor }) });
    const { body, head, ...exchange } = await calls.get(`/stock?${asked.toString()}`);
    if (query.updatedSince !== undefined && cursor === null && NO_DELTA.includes(head.status)) throw new NoDelta();
    if (head.status !== 200) throw new Breach('stock-answers', exchange, `answered ${head.status}`);
    const fields = fieldsIn(body);
    if (!Array.isArray(fields?.items)) throw new Breach('stock-answers', exchange, 'a body without the list items');
    const rows = fields.items.map((item) => (item ?? {}) as SeenRow);
    // Where a delta goes on is the time it was complete at.
    const position = typeof fields.asOf === 'string' ? fields.asOf : null;
    yield { exchange, asOf: fields.asOf, rows, etag: etagOf(head), position };
    const next: unknown = fields.nextCursor;
    if (next !== null && (typeof next !== 'string' || next === '')) {
      throw new Breach('stock-pages', exchange, 'nextCursor is neither null nor a text');
    }
    if (next !== null && cursors.has(next)) throw new Breach('stock-pages', exchange, 'nextCursor came before');
    cursor = next;
    if (cursor !== null) cursors.add(cursor);
  } while (cursor !== null);
}
