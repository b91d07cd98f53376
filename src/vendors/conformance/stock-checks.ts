import { type Check, failed, type Finding, notTried, passed } from './check';
import { type Desk, PAGE_ROWS } from './desk';
import { NoDelta, type StockRule } from './stock-dialect';
import { type StockWalk, walk } from './stock-walk';

/** A listing of one page says nothing of how it pages, so it is read again in about so many. */
const SMALL_PAGES = 4;
/** A validator may change because a sale came between; it does not each time. */
const VALIDATORS_TRIED = 3;
/** A shop with fewer products may well have changed all of them. */
const DELTA_PRODUCTS_MIN = 3;

const NO_STOCK = 'the listing could not be read';

/** Reading a vendor's stock: each rule of the listing, its validator, and its deltas. */
export const stockChecks: Check[] = [
  rule(
    'stock-answers',
    'The listing is answered with 200 and the body of the dialect, within the time-out.',
    'Without it there is nothing to sell. After three intervals the products count as stale.',
  ),
  {
    name: 'stock-pages',
    expects: 'The pages come to an end, each product is on one of them, and what says how many there are is right.',
    why: 'A listing that runs in circles or loses rows is broken off, or takes products off sale.',
    run: smallPages,
  },
  rule(
    'stock-time',
    'The listing carries the vendor’s time, in ISO 8601 with Z or an offset.',
    'It decides which orders a listing contains. A local time without offset would be off by hours: stock is oversold, or held for ever.',
  ),
  rule(
    'stock-time-constant',
    'The time is the same on every page.',
    'It is a lower bound for the whole listing. When it moves between pages the listing is broken off.',
  ),
  rule('skus', 'Each SKU is a text of 1 to 128 printable characters.', 'A row without one is rejected.'),
  rule('skus-once', 'Each SKU comes once.', 'Of two rows the later one counts, whether or not it is the right one.'),
  rule(
    'quantities',
    'Each quantity is a whole number from 0.',
    'Other rows are rejected, and their products go off sale.',
  ),
  rule(
    'prices',
    'Each price is exact: a decimal from 0 with at most two places, or whole cents where the dialect has cents.',
    'Other rows are rejected, and their products go off sale; money is never rounded.',
  ),
  {
    name: 'etag-holds',
    expects: 'A validator is answered with 304 as long as nothing has changed.',
    why: 'One that changes each time makes every poll read and compare the whole listing.',
    run: etagHolds,
  },
  {
    name: 'delta-goes-on',
    expects: 'A delta asked for at the latest position does not begin from the beginning.',
    why: 'A delta that repeats everything costs more than the listing it was to save.',
    run: deltaGoesOn,
  },
];

function rule(name: StockRule, expects: string, why: string): Check {
  return { name, expects, why, run: async (desk) => findingOf(await desk.firstListing(), name) };
}

function findingOf(listing: StockWalk, name: StockRule): Finding {
  const breach = listing.breaches.get(name);
  if (breach) return failed(breach.exchange, breach.message);
  return listing.pages > 0 ? passed : notTried(NO_STOCK);
}

async function smallPages(desk: Desk): Promise<Finding> {
  const large = await desk.firstListing();
  const found = findingOf(large, 'stock-pages');
  const rows = large.quantities.size;
  if (found.result !== 'passed' || !large.whole || large.pages > 1 || rows < SMALL_PAGES) return found;
  const small = await desk.listingNow(Math.ceil(rows / SMALL_PAGES));
  const again = findingOf(small, 'stock-pages');
  if (again.result !== 'passed') return again;
  // What is wrong only between pages is told by the checks of those rules, which come after this one.
  for (const [name, breach] of small.breaches) if (!large.breaches.has(name)) large.breaches.set(name, breach);
  const lost = [...large.quantities.keys()].find((sku) => !small.quantities.has(sku));
  if (!small.whole || lost === undefined) return passed;
  return failed(desk.last, `in pages of ${Math.ceil(rows / SMALL_PAGES)} the listing lacks ${lost}`);
}

async function etagHolds(desk: Desk): Promise<Finding> {
  const { conditional } = desk.stock;
  if (!conditional) return notTried('the dialect has no validators');
  for (let tries = 1; ; tries++) {
    const listing = await desk.listingNow();
    if (listing.etag === null) return notTried('the listing came without an ETag');
    const { status } = await conditional(desk, listing.etag, PAGE_ROWS);
    if (status === 304) return passed;
    const { last } = desk;
    const after = await desk.listingNow();
    const stoodStill = JSON.stringify([...listing.quantities]) === JSON.stringify([...after.quantities]);
    if (stoodStill && tries >= VALIDATORS_TRIED) return failed(last, `If-None-Match: ${listing.etag}, and no 304`);
    if (tries >= VALIDATORS_TRIED) return notTried('the stock changed all the time');
  }
}

async function deltaGoesOn(desk: Desk): Promise<Finding> {
  const { changes } = desk.stock;
  if (!changes) return notTried('the dialect has no deltas');
  const listing = await desk.listingNow();
  if (!listing.whole || listing.position === null) return notTried(NO_STOCK);
  try {
    const delta = await walk(desk.stock, changes(desk, listing.position), 'last');
    const [breach] = delta.breaches.values();
    if (breach) return failed(breach.exchange, breach.message);
    if (listing.quantities.size < DELTA_PRODUCTS_MIN) return notTried('there are too few products to tell');
    if (delta.quantities.size < listing.quantities.size) return passed;
    return failed(desk.last, `the delta has all ${listing.quantities.size} products`);
  } catch (error) {
    if (!(error instanceof NoDelta)) throw error;
    return notTried('the vendor has no deltas');
  }
}
