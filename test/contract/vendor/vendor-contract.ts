import { type CallHealth, VendorCallFailed } from '../../../src/vendors/vendor-adapter';
import { Counter, rowsOf, TOKEN, TOKEN_ENV } from './counter';
import { type Dialect, PRODUCTS } from './dialects';
import type { Answer } from './scripted-server';

const AS_OF = '2026-01-01T00:00:01.000Z';
const ORDER = { reference: 'order-1', sku: 'A-1', quantity: 2 };
const ACCEPTED = { outcome: 'accepted', vendorOrderId: 'V-1', acceptedAt: new Date('2026-01-01T00:00:00.123Z') };
const FAILING = { health: 'failing' };
const REDIRECT: Answer = { status: 307, headers: { location: '/shop/elsewhere' } };

/** What every adapter keeps, whatever its dialect. */
export function vendorContract(dialect: Dialect): void {
  let counter: Counter;

  beforeEach(async () => {
    counter = await Counter.open(dialect);
  });
  afterEach(() => counter.close());

  describe('a purchase', () => {
    const purchase = () => counter.adapter.purchase(counter.vendor, ORDER);

    it('is sent in the words of the dialect, with the credential', async () => {
      counter.server.first({ status: 201, body: dialect.accepted });
      await purchase();
      const [asked] = counter.server.asked;
      const [name, value] = dialect.credentialHeader;
      expect([asked!.method, asked!.path, asked!.body]).toEqual(['POST', dialect.purchase.path, dialect.purchase.body]);
      expect(asked!.headers[name]).toBe(value(TOKEN));
    });

    it('is accepted with the vendor’s number and time', async () => {
      counter.server.first({ status: 201, body: dialect.accepted }, dialect.repeated);
      expect([await purchase(), await purchase()]).toEqual([ACCEPTED, ACCEPTED]);
    });

    it.each(['OUT_OF_STOCK', 'UNKNOWN_SKU', 'CANCELLED', 'REFUSED'] as const)('is refused: %s', async (reason) => {
      counter.server.first(dialect.refusals[reason]);
      expect(await purchase()).toMatchObject({ outcome: 'refused', reason, detail: expect.any(String) });
    });

    it.each<[string, Answer, object]>([
      ['a connection that drops', 'drop', FAILING],
      ['no answer in time', 'hang', { ...FAILING, detail: 'no whole answer within 250 ms' }],
      [
        'an answer that stays half',
        { begin: '{"vendor', then: 'hang' },
        { ...FAILING, detail: 'no whole answer within 250 ms' },
      ],
      ['an answer that drips', { drip: ' ', everyMs: 20 }, { ...FAILING, detail: 'no whole answer within 250 ms' }],
      [
        'an answer without end',
        { status: 201, body: ' '.repeat(70_000) },
        { ...FAILING, detail: expect.stringContaining('larger') },
      ],
      [
        'a page for people',
        { status: 200, body: '<h1>Welcome' },
        { ...FAILING, detail: expect.stringContaining('cannot read') },
      ],
      ['a refusal without a code', { status: 409, body: dialect.withoutCode }, { health: 'turnedAway' }],
      ['a redirect', REDIRECT, { ...FAILING, detail: 'answered 307' }],
      ['a 500', { status: 500 }, { ...FAILING, detail: 'answered 500' }],
      ['a 401', { status: 401 }, { health: 'turnedAway', detail: 'answered 401' }],
      ['a 404', { status: 404 }, { health: 'turnedAway', detail: 'answered 404' }],
      ['a 404 with a code', dialect.notFound, { health: 'well', detail: 'answered 404' }],
      ['a 401 with a code', { ...dialect.notFound, status: 401 }, { health: 'turnedAway' }],
      [
        'a 429',
        { status: 429, headers: { 'retry-after': '7' } },
        { health: 'unsaid', retryAfterMs: 7000, rateLimited: true },
      ],
      ['a 503', { status: 503, headers: { 'retry-after': '7' } }, { ...FAILING, retryAfterMs: 7000 }],
    ])('is not known after %s', async (_, answer, detail) => {
      counter.server.first(answer);
      const found = await purchase();
      expect(found).toMatchObject({ outcome: 'unknown', ...detail });
      expect(JSON.stringify(found)).not.toContain(TOKEN);
      // It is never sent twice by itself, and a redirect is not followed.
      expect(counter.server.asked).toHaveLength(1);
    });

    it('was not sent where nobody listens, or without its credential', async () => {
      delete process.env[TOKEN_ENV];
      expect(await purchase()).toEqual({
        outcome: 'not_sent',
        detail: `the environment variable ${TOKEN_ENV} is not set`,
        health: 'unsaid',
      });
      process.env[TOKEN_ENV] = TOKEN;
      await counter.server.close();
      const detail = expect.stringContaining('ECONNREFUSED');
      expect(await purchase()).toMatchObject({ ...FAILING, outcome: 'not_sent', detail });
    });
  });

  describe('a look-up', () => {
    const lookUp = () => counter.adapter.lookUp(counter.vendor, 'order-1');

    it.each<[keyof Dialect['lookUps'], object]>([
      ['accepted', ACCEPTED],
      ['refused', { outcome: 'refused', reason: 'OUT_OF_STOCK' }],
      ['cancelled', { outcome: 'refused', reason: 'CANCELLED' }],
      ['nonsense', { outcome: 'unknown', detail: expect.stringContaining('cannot read') }],
    ])('finds an order that is %s', async (state, expected) => {
      counter.server.first({ status: 200, body: dialect.lookUps[state] });
      expect(await lookUp()).toMatchObject(expected);
      expect(counter.server.paths).toEqual([`GET ${dialect.orderPath('order-1')}`]);
    });

    it('does not find it', async () => {
      counter.server.first(dialect.notFound);
      expect(await lookUp()).toEqual({ outcome: 'not_found' });
    });

    it.each(bare404s(dialect))('does not know after a 404 with %s', async (_, answer) => {
      counter.server.first(answer);
      const detail = expect.stringMatching(/answered 404 without a (code|error|reason)/);
      expect(await lookUp()).toEqual({ outcome: 'unknown', health: 'turnedAway', detail });
    });

    it.each<[Answer, CallHealth]>([
      ['drop', 'failing'],
      ['hang', 'failing'],
      [{ status: 500 }, 'failing'],
      [{ status: 204 }, 'failing'],
      [REDIRECT, 'failing'],
      [{ status: 429 }, 'unsaid'],
      [{ status: 403 }, 'turnedAway'],
      [{ status: 405 }, 'turnedAway'],
      [{ status: 410 }, 'turnedAway'],
    ])('does not know after %j', async (answer, health) => {
      counter.server.first(answer);
      expect(await lookUp()).toMatchObject({ outcome: 'unknown', health });
    });

    it('encodes the reference', async () => {
      counter.server.first({ status: 404 });
      await counter.adapter.lookUp(counter.vendor, 'a/../b');
      expect(counter.server.paths).toEqual([`GET ${dialect.orderPath('a/../b')}`]);
    });
  });

  describe('a cancellation', () => {
    it.each<[Answer, string]>([
      [{ status: 204 }, 'cancelled'],
      [{ status: 409 }, 'too_late'],
      [{ status: 405 }, 'too_late'],
      [{ status: 501 }, 'too_late'],
      [dialect.notFound, 'not_found'],
      [{ status: 500 }, 'unknown'],
      [{ status: 403 }, 'unknown'],
      [{ status: 200 }, 'unknown'],
      [REDIRECT, 'unknown'],
      ['drop', 'unknown'],
      ['hang', 'unknown'],
    ])('answered %j is %s', async (answer, outcome) => {
      counter.server.first(answer);
      expect(await counter.adapter.cancel(counter.vendor, 'order-1')).toMatchObject({ outcome });
      expect(counter.server.paths).toEqual([`DELETE ${dialect.orderPath('order-1')}`]);
    });

    it.each(bare404s(dialect))('does not know after a 404 with %s', async (_, answer) => {
      counter.server.first(answer);
      const outcome = await counter.adapter.cancel(counter.vendor, 'order-1');
      expect(outcome).toMatchObject({ outcome: 'unknown', health: 'turnedAway' });
    });

    it.each([405, 501])('says nothing of the vendor’s health by a %d, which may be anybody’s', async (status) => {
      counter.server.first({ status });
      expect(await counter.adapter.cancel(counter.vendor, 'order-1')).toEqual({
        outcome: 'too_late',
        health: 'unsaid',
      });
    });
  });

  describe('a complete listing', () => {
    it('gives every product as the vendor has it, and the vendor’s time', async () => {
      counter.server.answer = dialect.lists(PRODUCTS, AS_OF);
      const listing = await counter.listing();
      expect(listing).toMatchObject({ kind: 'full', asOf: new Date(AS_OF) });
      expect(await rowsOf(listing)).toEqual(PRODUCTS);
      expect(counter.server.asked).toHaveLength(dialect.listingCalls);
      const [name, value] = dialect.credentialHeader;
      expect(counter.server.asked.at(-1)!.headers[name]).toBe(value(TOKEN));
    });

    it('may be empty', async () => {
      counter.server.answer = dialect.lists([], AS_OF);
      expect(await counter.rows()).toEqual([]);
    });

    it.each([undefined, 'yesterday', '2026-01-01T00:00:00', '2026-01-01'])(
      'is refused with the time %j',
      async (asOf) => {
        counter.server.answer = dialect.lists(PRODUCTS, asOf);
        await expect(counter.poll()).rejects.toThrow(/as_?of.*time with its offset/i);
      },
    );

    it.each<[string, Answer]>([
      ['a 500', { status: 500 }],
      ['a dropped connection', 'drop'],
      ['no answer in time', 'hang'],
    ])('is asked for again after %s', async (_, answer) => {
      counter.server.first(answer, answer);
      counter.server.answer = dialect.lists(PRODUCTS, AS_OF);
      expect(await counter.rows()).toEqual(PRODUCTS);
      expect(counter.server.asked).toHaveLength(2 + dialect.listingCalls);
    });

    it('is given up after four tries', async () => {
      counter.server.answer = () => ({ status: 502 });
      await expect(counter.poll()).rejects.toThrow(new VendorCallFailed('stock: answered 502'));
      expect(counter.server.asked).toHaveLength(4);
    });

    it.each<[string, Answer, string, CallHealth]>([
      ['a redirect', REDIRECT, 'stock: answered 307', 'failing'],
      ['a 403', { status: 403 }, 'stock: answered 403', 'turnedAway'],
      ['a 304 nobody asked for', { status: 304 }, 'stock: answered 304', 'failing'],
    ])('is not asked for again after %s', async (_, answer, message, health) => {
      counter.server.answer = () => answer;
      await expect(counter.poll()).rejects.toMatchObject({ message, health });
      expect(counter.server.asked).toHaveLength(1);
    });

    it.each([429, 503])('waits as long as a %d asks for, and uses up no try', async (status) => {
      const busy = { status, headers: { 'retry-after': '1' } };
      counter.server.first({ status: 500 }, busy, { status: 500 }, { status: 500 });
      counter.server.answer = dialect.lists(PRODUCTS, AS_OF);
      const askedAt = performance.now();
      expect(await counter.rows()).toEqual(PRODUCTS);
      expect(performance.now() - askedAt).toBeGreaterThan(990);
    });

    it('leaves a vendor alone that asks for more than a poll can spare', async () => {
      counter.server.answer = () => ({ status: 429, headers: { 'retry-after': '61' } });
      await expect(counter.poll()).rejects.toThrow('answered 429 and asks us to wait 61 s');
      expect(counter.server.asked).toHaveLength(1);
    });

    it('ends at once when it is stopped, while it waits for the vendor or for its own next try', async () => {
      for (const answer of ['hang', { status: 429, headers: { 'retry-after': '60' } }] as Answer[]) {
        const stop = new AbortController();
        counter.server.answer = () => {
          setImmediate(() => stop.abort());
          return answer;
        };
        await expect(counter.poll({ signal: stop.signal })).rejects.toThrow('stock: the poll was stopped');
      }
      expect(counter.server.asked).toHaveLength(2);
    });

    it('says what is missing where there is no credential, without a second try', async () => {
      delete process.env[TOKEN_ENV];
      await expect(counter.poll()).rejects.toThrow(`stock: the environment variable ${TOKEN_ENV} is not set`);
      expect(counter.server.asked).toHaveLength(0);
    });
  });
}

/** What stands before a vendor and knows nothing of its orders: each lacks the code of the dialect. */
function bare404s({ codeMember }: Dialect): [string, Answer][] {
  const others = ['code', 'error', 'reason'].filter((member) => member !== codeMember);
  const bodies: [string, unknown][] = [
    ['nothing', undefined],
    ['a page', '<html><h1>404 Not Found</h1></html>'],
    ['a text', 'default backend - 404'],
    ['an empty object', {}],
    ['a list', [{ [codeMember]: 'UNKNOWN' }]],
    ['a text in JSON', '"UNKNOWN"'],
    ['an empty code', { [codeMember]: ' ' }],
    ['a number for a code', { [codeMember]: 404 }],
    ['a code further in', { details: { [codeMember]: 'UNKNOWN' } }],
    ['half an object', `{"${codeMember}":"UNKNOWN"`],
    ['the words of a gateway', { message: 'no Route matched with those values' }],
    ['another dialect’s code', Object.fromEntries(others.map((member) => [member, 'UNKNOWN']))],
  ];
  return bodies.map(([name, body]) => [name, { status: 404, ...(body !== undefined && { body }) }]);
}
