import { Counter, rowsOf } from './counter';
import { catalogueFile, endOf, feed, feedRow, PRODUCTS } from './dialects';
import type { Answer } from './scripted-server';
import { vendorContract } from './vendor-contract';

const AS_OF = '2026-01-01T00:00:01.000Z';
const ROWS = PRODUCTS.map(feedRow);
const WHOLE = catalogueFile([{ asOf: AS_OF }, ...ROWS, endOf(3)]);
const UNENDED = catalogueFile([{ asOf: AS_OF }, ...ROWS]);

describe('the feed adapter', () => vendorContract(feed));

describe('the feed adapter, by the ways of its dialect,', () => {
  let counter: Counter;
  beforeEach(async () => {
    counter = await Counter.open(feed);
  });
  afterEach(() => counter.close());

  it('is told that an order is queued, and finds it pending', async () => {
    const queued = { orderRef: 'order-1', state: 'queued' };
    counter.server.first({ status: 202, body: queued }, { status: 200, body: queued });
    const detail = 'has queued it and has not decided';
    const order = { reference: 'order-1', sku: 'A-1', quantity: 2 };
    expect(await counter.adapter.purchase(counter.vendor, order)).toEqual({ outcome: 'pending', detail });
    expect(await counter.adapter.lookUp(counter.vendor, 'order-1')).toEqual({ outcome: 'pending', detail });
  });

  it('hears of a refusal in answer to an order that is repeated', async () => {
    counter.server.first({ status: 202, body: feed.lookUps.refused });
    const order = { reference: 'order-1', sku: 'A-1', quantity: 2 };
    expect(await counter.adapter.purchase(counter.vendor, order)).toMatchObject({ reason: 'OUT_OF_STOCK' });
  });

  it('believes nothing that is said of another order', async () => {
    counter.server.answer = () => ({ status: 200, body: { ...feed.lookUps.accepted, orderRef: 'order-2' } });
    expect((await counter.adapter.lookUp(counter.vendor, 'order-1')).outcome).toBe('unknown');
  });

  it('reads a file of many pages', async () => {
    const many = Array.from({ length: 4500 }, (_, index) => ({ ...PRODUCTS[1]!, sku: `Ü-${index}` }));
    counter.server.answer = feed.lists(many, AS_OF);
    const sizes: number[] = [];
    const listing = await counter.listing();
    const rows = [];
    for await (const page of listing.pages) {
      sizes.push(page.length);
      rows.push(...page);
    }
    expect(rows).toEqual(many);
    expect(Math.max(...sizes)).toBeLessThan(4000);
    expect(sizes.length).toBeGreaterThan(1);
  });

  it('needs no line end after the last line', async () => {
    counter.server.answer = () => ({ status: 200, body: WHOLE.trimEnd() });
    expect(await counter.rows()).toEqual(PRODUCTS);
  });

  it('keeps the validator, and asks whether it still holds', async () => {
    counter.server.first({ status: 200, body: WHOLE, headers: { etag: '"7"' } }, { status: 304 });
    const listing = await counter.listing();
    await rowsOf(listing);
    expect(listing.marks()).toEqual({ position: null, etag: '"7"' });
    expect(await counter.poll({ marks: listing.marks() })).toEqual({ outcome: 'unchanged' });
    expect(counter.server.asked[1]!.headers['if-none-match']).toBe('"7"');
  });

  it('reads the whole file when it is asked for a delta', async () => {
    counter.server.answer = feed.lists(PRODUCTS, AS_OF);
    const listing = await counter.listing({ kind: 'delta', marks: { position: 'x', etag: '"7"' } });
    expect([listing.kind, await rowsOf(listing)]).toEqual(['full', PRODUCTS]);
  });

  it.each<[string, Answer, RegExp]>([
    ['that ends without its last line', { status: 200, body: UNENDED }, /ends after 3 rows without its last line/],
    ['that is cut off', { begin: UNENDED, then: 'drop' }, /broke off after 0 rows: UND_ERR_SOCKET/],
    ['that falls silent', { begin: UNENDED, then: 'hang' }, /broke off after 0 rows: UND_ERR_BODY_TIMEOUT/],
    ['whose count is wrong', { status: 200, body: UNENDED + catalogueFile([endOf(4)]) }, /counts another number/],
    ['that goes on after its end', { status: 200, body: WHOLE + catalogueFile(ROWS) }, /goes on after its last line/],
    ['with a line that is no JSON', { status: 200, body: `${UNENDED}<h1>\n` }, /line 5 of the file is not a JSON/],
    ['with a line without end', { status: 200, body: UNENDED + ' '.repeat(70_000) }, /line 5 .* longer than 65536/],
    ['that is empty', { status: 200, body: '' }, /first line has no asOf/],
  ])('breaks off a file %s', async (_, answer, message) => {
    counter.server.answer = () => answer;
    await expect(counter.rows()).rejects.toThrow(message);
  });

  it('does not wait for ever for a file that drips', async () => {
    counter.server.answer = () => ({ drip: catalogueFile([{ asOf: AS_OF }]) + ' '.repeat(10_000), everyMs: 100 });
    await expect(counter.rows()).rejects.toThrow('we waited more than 7500 ms for its answer');
  });

  it('ends at once when it is stopped in the midst of a file', async () => {
    const stop = new AbortController();
    counter.server.answer = () => ({ begin: UNENDED, then: 'hang' });
    const listing = await counter.listing({ signal: stop.signal });
    stop.abort();
    await expect(rowsOf(listing)).rejects.toThrow(/broke off after 0 rows/);
  });

  it('lets go of the file when nobody reads on', async () => {
    // A file of megabytes is written in more than the moment after which a silent vendor is given up here.
    await counter.close();
    counter = await Counter.open(feed, 10_000);
    counter.server.answer = feed.lists(
      Array.from({ length: 50_000 }, () => PRODUCTS[0]!),
      AS_OF,
    );
    for await (const page of (await counter.listing()).pages) if (page.length > 0) break;
    // Closing the pool would wait for a body that still comes.
    await counter.http.onModuleDestroy();
  });
});
