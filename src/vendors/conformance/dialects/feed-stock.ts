import { ndjsonObjects } from '../../ndjson';
import { etagOf, type Fields } from '../../vendor-answer';
import {
  Breach,
  decimalProblem,
  type SeenPage,
  type SeenRow,
  type StockCalls,
  type StockDialect,
} from '../stock-dialect';

const PATH = '/catalogue.ndjson';

export const feedStock: StockDialect = {
  words: { asOf: 'asOf', sku: 'id', quantity: 'available', price: 'price' },
  credential: 'bearer',
  constantTime: true,
  priceProblem: decimalProblem,
  whole: (calls) => file(calls),
  changes: null,
  conditional: async (calls, etag) => {
    const { chunks, head } = await calls.file(PATH, { 'if-none-match': etag });
    // Nobody reads a file whose head has said everything.
    await chunks?.[Symbol.asyncIterator]().return?.();
    return head;
  },
};

async function* file(calls: StockCalls): AsyncIterable<SeenPage> {
  const { chunks, head, ...exchange } = await calls.file(PATH);
  if (!chunks) throw new Breach('stock-answers', exchange, `answered ${head.status}`);
  let asOf: unknown;
  let count = 0;
  let end: Fields | undefined;
  try {
    for await (const piece of ndjsonObjects(chunks)) {
      const lines = count === 0 && asOf === undefined ? piece.slice(1) : piece;
      if (lines !== piece) asOf = piece[0]!.asOf ?? null;
      if (end) throw new Breach('stock-pages', exchange, 'the file goes on after its last line');
      end = lines.find((line) => line.end === true);
      const rows = lines.filter((line) => line !== end).map(rowIn);
      count += rows.length;
      yield { exchange, asOf, rows, etag: etagOf(head), position: null };
    }
  } catch (error) {
    if (error instanceof Breach) throw error;
    throw new Breach('stock-answers', exchange, (error as Error).message.replace(/^stock: /, ''));
  }
  if (!end) throw new Breach('stock-pages', exchange, `the file ends after ${count} rows without its last line`);
  if (end.count !== count)
    throw new Breach('stock-pages', exchange, `the last line counts other than the ${count} rows`);
}

function rowIn({ id: sku, title: name, available: quantity, price }: Fields): SeenRow {
  return { sku, name, quantity, price };
}
