import type { Vendor } from '../vendor';
import type { VendorAdapter } from '../vendor-adapter';
import { type Check, notTried, type Verdict } from './check';
import { conductChecks } from './conduct-checks';
import { Desk } from './desk';
import { feedStock } from './dialects/feed-stock';
import { restStock } from './dialects/rest-stock';
import { wholesaleStock } from './dialects/wholesale-stock';
import { orderChecks } from './order-checks';
import type { RecordedHttp } from './recorded-http';
import { stockChecks } from './stock-checks';
import type { StockDialect } from './stock-dialect';

const STOCK_DIALECTS: Readonly<Record<string, StockDialect>> = {
  rest: restStock,
  wholesale: wholesaleStock,
  feed: feedStock,
};

/** In this order: what was bought is judged by the stock before it, and conduct by all the calls. */
export const CHECKS: readonly Check[] = [...stockChecks, ...orderChecks, ...conductChecks];

export interface ConformanceOptions {
  vendor: Vendor;
  /** The adapter of the vendor's kind, over `http`. */
  adapter: VendorAdapter;
  http: RecordedHttp;
  /** Whether checks may buy. */
  buy: boolean;
  sku?: string;
  signal: AbortSignal;
}

/** Holds a vendor's API to everything Holdfast relies on, one verdict after another. */
export async function* checkVendor({ buy, ...options }: ConformanceOptions): AsyncIterable<Verdict> {
  const stock = STOCK_DIALECTS[options.vendor.kind];
  if (!stock) throw new Error(`There are no checks for the dialect ${options.vendor.kind}`);
  const desk = new Desk({ ...options, stock });
  for (const check of CHECKS) {
    const { name, expects, why } = check;
    const finding = check.buys && !buy ? notTried('it buys, and that was not allowed') : await check.run(desk);
    yield { name, expects, why, ...finding };
  }
}
