import { isPrintable } from '../../http/rules';
import { timeOf } from '../vendor-answer';
import type { Exchange } from './recorded-http';
import { Breach, type SeenPage, type SeenRow, type StockDialect, type StockRule } from './stock-dialect';

/** 1 to 128 printable characters. */
const SKU_LENGTH_MAX = 128;

/** Everything that one reading of a vendor's stock has shown. */
export interface StockWalk {
  /** The first breach of each rule. */
  breaches: Map<StockRule, Breach>;
  /** Whether it was read to its end. */
  whole: boolean;
  quantities: Map<string, number>;
  asOf: Date | undefined;
  pages: number;
  etag: string | null;
  position: string | null;
}

/** A whole listing leaves off where its first page began, changes where their last page ended. */
export async function walk(
  dialect: StockDialect,
  pages: AsyncIterable<SeenPage>,
  positionOf: 'first' | 'last' = 'first',
): Promise<StockWalk> {
  const found: StockWalk = {
    breaches: new Map(),
    whole: false,
    quantities: new Map(),
    asOf: undefined,
    pages: 0,
    etag: null,
    position: null,
  };
  try {
    for await (const page of pages) {
      look(dialect, found, page);
      if (found.pages === 0 || positionOf === 'last') found.position = page.position;
      found.pages += 1;
    }
    found.whole = true;
  } catch (error) {
    if (!(error instanceof Breach)) throw error;
    note(found, error);
  }
  return found;
}

function look(dialect: StockDialect, found: StockWalk, page: SeenPage): void {
  const { words } = dialect;
  const asOf = timeOf(page.asOf);
  const said = `${words.asOf} is ${JSON.stringify(page.asOf) ?? 'missing'}`;
  if (!asOf) note(found, new Breach('stock-time', page.exchange, said));
  if (found.pages === 0) {
    found.asOf = asOf;
    found.etag = page.etag;
  } else if (dialect.constantTime && asOf?.getTime() !== found.asOf?.getTime()) {
    const before = found.asOf?.toISOString() ?? 'unreadable';
    note(found, new Breach('stock-time-constant', page.exchange, `${said}, and was ${before} on the first page`));
  }
  for (const row of page.rows) lookAtRow(dialect, found, row, page.exchange);
}

function lookAtRow(dialect: StockDialect, found: StockWalk, row: SeenRow, exchange: Exchange): void {
  const { words } = dialect;
  const { sku, quantity, price } = row;
  if (typeof sku !== 'string' || !isPrintable(sku, SKU_LENGTH_MAX)) {
    return note(found, new Breach('skus', exchange, `${words.sku} is ${JSON.stringify(sku) ?? 'missing'}`));
  }
  if (found.quantities.has(sku)) note(found, new Breach('skus-once', exchange, `${sku} came twice`));
  const counts = Number.isInteger(quantity) && (quantity as number) >= 0;
  if (!counts) {
    const said = `${words.quantity} of ${sku} is ${JSON.stringify(quantity) ?? 'missing'}`;
    note(found, new Breach('quantities', exchange, said));
  }
  const problem = dialect.priceProblem(price);
  if (problem !== undefined) {
    const said = `${words.price} of ${sku} is ${JSON.stringify(price) ?? 'missing'}, which ${problem}`;
    note(found, new Breach('prices', exchange, said));
  }
  found.quantities.set(sku, counts ? (quantity as number) : 0);
}

function note(found: StockWalk, breach: Breach): void {
  if (!found.breaches.has(breach.rule)) found.breaches.set(breach.rule, breach);
}
