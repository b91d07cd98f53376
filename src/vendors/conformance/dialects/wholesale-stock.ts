import { type Fields, fieldsIn } from '../../vendor-answer';
import {
  Breach,
  centsProblem,
  NoDelta,
  type SeenPage,
  type SeenRow,
  type StockCalls,
  type StockDialect,
} from '../stock-dialect';

export const wholesaleStock: StockDialect = {
  words: { asOf: 'as_of', sku: 'item_number', quantity: 'on_hand', price: 'price_cents' },
  credential: 'apiKey',
  constantTime: false,
  priceProblem: centsProblem,
  whole,
  changes,
  conditional: null,
};

async function* whole(calls: StockCalls, pageRows: number): AsyncIterable<SeenPage> {
  let rows = 0;
  for (let number = 1, last = 1; number <= last; number++) {
    const { fields, ...page } = await pageAt(calls, `/inventory?page=${number}&page_size=${pageRows}`);
    const { page: echoed, total_pages: totalPages, total_items: totalItems } = fields;
    const wrong = (found: string) => new Breach('stock-pages', page.exchange, found);
    if (echoed !== number) throw wrong(`page ${number} was asked for, and the answer says it is another`);
    if (!Number.isSafeInteger(totalPages)) throw wrong('total_pages is not a whole number');
    last = totalPages as number;
    rows += page.rows.length;
    yield page;
    if (number >= last && rows !== totalItems)
      throw wrong(`${rows} rows came on all pages, and total_items is another`);
  }
}

async function* changes(calls: StockCalls, position: string): AsyncIterable<SeenPage> {
  for (let after = position; ;) {
    const { fields, ...page } = await pageAt(calls, `/inventory/changes?after=${encodeURIComponent(after)}&limit=1000`);
    yield page;
    if (fields.has_more !== true) return;
    if (!(Number(page.position) > Number(after))) {
      throw new Breach('stock-pages', page.exchange, 'has_more is true, and sequence does not go on');
    }
    after = page.position!;
  }
}

async function pageAt(calls: StockCalls, path: string): Promise<SeenPage & { fields: Fields }> {
  const { body, head, ...exchange } = await calls.get(path);
  if (head.status === 410) throw new NoDelta();
  if (head.status !== 200) throw new Breach('stock-answers', exchange, `answered ${head.status}`);
  const fields = fieldsIn(body);
  if (!Array.isArray(fields?.items)) throw new Breach('stock-answers', exchange, 'a body without the list items');
  if (!Number.isSafeInteger(fields.sequence)) {
    throw new Breach('stock-answers', exchange, 'sequence is not a whole number');
  }
  return {
    exchange,
    fields,
    asOf: fields.as_of,
    rows: fields.items.map((item) => rowIn((item ?? {}) as Fields)),
    etag: null,
    position: String(fields.sequence),
  };
}

function rowIn({ item_number: sku, description: name, on_hand: quantity, price_cents: price }: Fields): SeenRow {
  return { sku, name, quantity, price };
}
