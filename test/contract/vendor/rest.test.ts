import { Counter, rowsOf, TOKEN } from './counter';
import { PRODUCTS, rest } from './dialects';
import type { Answer } from './scripted-server';
import { vendorContract } from './vendor-contract';

const AS_OF = '2026-01-01T00:00:01.000Z';
/** A slow machine takes a while for 8 MiB. */
const LARGE_ANSWER_MS_MAX = 30_000;
const LATER = '2026-01-01T00:00:02.000Z';

describe('the rest adapter', () => vendorContract(rest));

describe('the rest adapter, by the ways of its dialect,', () => {
  let counter: Counter;
  beforeEach(async () => {
    counter = await Counter.open(rest);
  });
  afterEach(() => counter.close());

  it('finds an order that the vendor has not decided, and takes a missing status for an acceptance', async () => {
    counter.server.first({ status: 200, body: { status: 'pending' } }, { status: 200, body: rest.accepted });
    const lookUp = () => counter.adapter.lookUp(counter.vendor, 'order-1');
    expect([(await lookUp()).outcome, (await lookUp()).outcome]).toEqual(['pending', 'accepted']);
  });

  it('sends the reference as the idempotency key', async () => {
    await counter.adapter.purchase(counter.vendor, { reference: 'order-1', sku: 'A-1', quantity: 2 });
    expect(counter.server.asked[0]!.headers['idempotency-key']).toBe('order-1');
  });

  it('repeats a page of a listing that fails in its midst', async () => {
    const lists = rest.lists(PRODUCTS, AS_OF);
    const failures: Answer[] = ['drop', { status: 503 }];
    counter.server.answer = (asked) => (asked.query.has('cursor') && failures.shift()) || lists(asked);
    expect(await counter.rows()).toEqual(PRODUCTS);
    expect(counter.server.paths).toEqual([
      'GET /stock?limit=1000',
      'GET /stock?limit=1000&cursor=2',
      'GET /stock?limit=1000&cursor=2',
      'GET /stock?limit=1000&cursor=2',
    ]);
  });

  it.each<[string, object, string]>([
    ['another asOf on the second page', { asOf: LATER, nextCursor: null }, 'asOf changed between two pages'],
    ['a cursor that repeats itself', { nextCursor: '1' }, 'nextCursor repeats itself'],
    ['a cursor that is a number', { nextCursor: 2 }, 'nextCursor is neither null nor a text'],
    ['no list', { items: {} }, 'items is not a list'],
  ])('breaks a listing off at %s', async (_, body, message) => {
    counter.server.first({ status: 200, body: { asOf: AS_OF, items: PRODUCTS, nextCursor: '1' } });
    counter.server.answer = () => ({ status: 200, body: { asOf: AS_OF, items: PRODUCTS, ...body } });
    await expect(counter.rows()).rejects.toThrow(`stock: ${message}`);
  });

  it('breaks a page off that has more items than anybody lists at once', async () => {
    await counter.close();
    counter = await Counter.open(rest, LARGE_ANSWER_MS_MAX);
    const items = Array.from({ length: 100_001 }, () => ({}));
    counter.server.answer = () => ({ status: 200, body: { asOf: AS_OF, items, nextCursor: null } });
    await expect(counter.poll()).rejects.toThrow('stock: more than 100000 items on a page');
  });

  it.each([
    ['2026-01-01T00:00Z', '2026-01-01T00:00:59.999Z'],
    ['2026-01-01T00:00:07Z', '2026-01-01T00:00:07.999Z'],
    ['2026-01-01T00:00:07.1Z', '2026-01-01T00:00:07.199Z'],
    ['2026-01-01T00:00:07.12Z', '2026-01-01T00:00:07.129Z'],
    ['2026-01-01T00:00:07.123Z', '2026-01-01T00:00:07.123Z'],
    ['2026-01-01T00:00:07.123456Z', '2026-01-01T00:00:07.123Z'],
  ])('takes an acceptance at %s for one at the end of that: %s', async (acceptedAt, end) => {
    counter.server.answer = () => ({ status: 201, body: { vendorOrderId: 'V-1', acceptedAt } });
    const answer = await counter.adapter.purchase(counter.vendor, { reference: 'r', sku: 'A-1', quantity: 1 });
    expect(answer).toMatchObject({ outcome: 'accepted', acceptedAt: new Date(end) });
  });

  it('keeps its token out of what it says of an answer that echoes it', async () => {
    counter.server.answer = ({ headers }) => ({ status: 200, body: `You sent ${JSON.stringify(headers)}` });
    const { detail } = (await counter.adapter.lookUp(counter.vendor, 'order-1')) as { detail: string };
    expect(detail).toContain('Bearer [token]');
    expect(detail).not.toContain(TOKEN);
  });

  it('breaks a page off that is larger than 8 MiB', async () => {
    await counter.close();
    counter = await Counter.open(rest, LARGE_ANSWER_MS_MAX);
    counter.server.answer = () => ({ status: 200, body: ' '.repeat(8 * 1024 * 1024 + 1) });
    await expect(counter.poll()).rejects.toThrow('stock: the answer is larger than 8388608 bytes');
  });

  describe('with a validator', () => {
    const marks = { position: null, etag: 'W/"7"' };

    it('keeps the one of the first page, and asks whether it still holds', async () => {
      counter.server.answer = rest.lists(PRODUCTS, AS_OF, { etag: 'W/"7"' });
      const listing = await counter.listing();
      await rowsOf(listing);
      expect(listing.marks()).toEqual({ position: AS_OF, etag: 'W/"7"' });

      counter.server.first({ status: 304 });
      expect(await counter.poll({ marks })).toEqual({ outcome: 'unchanged' });
      expect(counter.server.asked.at(-1)!.headers['if-none-match']).toBe('W/"7"');
    });

    it('reads the listing when it no longer holds', async () => {
      counter.server.answer = rest.lists(PRODUCTS, AS_OF, { etag: 'W/"8"' });
      expect(await counter.rows({ marks })).toEqual(PRODUCTS);
    });
  });

  describe('asked for a delta', () => {
    const since = { kind: 'delta' as const, marks: { position: AS_OF, etag: '"7"' } };

    it('asks for what has changed since, on every page, and goes on from the delta’s time', async () => {
      counter.server.answer = rest.lists(PRODUCTS, LATER);
      const listing = await counter.listing(since);
      expect(listing).toMatchObject({ kind: 'delta', asOf: new Date(LATER) });
      expect(await rowsOf(listing)).toEqual(PRODUCTS);
      expect(listing.marks()).toEqual({ position: LATER, etag: null });
      expect(counter.server.asked.map(({ query }) => query.get('updatedSince'))).toEqual([AS_OF, AS_OF]);
      expect(counter.server.asked[0]!.headers['if-none-match']).toBeUndefined();
    });

    it('asks back by as much as the vendor’s clocks may disagree', async () => {
      counter.server.answer = rest.lists(PRODUCTS, LATER);
      counter.vendor.clockMarginMs = 5000;
      await counter.listing(since);
      const asked = Date.parse(counter.server.asked[0]!.query.get('updatedSince')!);
      expect(Date.parse(AS_OF) - asked).toBe(5000);
    });

    it('keeps the validator when nothing has changed', async () => {
      counter.server.answer = rest.lists([], LATER);
      const listing = await counter.listing(since);
      await rowsOf(listing);
      expect(listing.marks()).toEqual({ position: LATER, etag: '"7"' });
    });

    it.each([400, 410, 422, 501])('reads the whole listing when the vendor answers %d', async (status) => {
      counter.server.first({ status });
      counter.server.answer = rest.lists(PRODUCTS, LATER);
      const listing = await counter.listing(since);
      expect(listing.kind).toBe('full');
      expect(await rowsOf(listing)).toEqual(PRODUCTS);
      expect(counter.server.asked[1]!.query.has('updatedSince')).toBe(false);
    });
  });
});
