import { isPrivateAddress } from '../../src/vendors/address-policy';
import { decodeCursor, encodeCursor, isTimestampText, page } from '../../src/http/cursor';
import { InvalidCursor } from '../../src/http/refusal';
import { backoffMs } from '../../src/orders/fulfilment/backoff';
import { holdSteps, isCounted, orderSteps } from '../../src/orders/order-status';
import { parseProductId } from '../../src/stock/product';
import { clockProblem, limitProblem, priceProblem, removalProblem } from '../../src/stock/sync/judge';
import { checkRow } from '../../src/stock/sync/listing-row';

describe('a product id', () => {
  it.each([
    ['acme:A-1', { vendorId: 'acme', sku: 'A-1' }],
    ['acme:a:b', { vendorId: 'acme', sku: 'a:b' }],
    ['acme:Größe 42', { vendorId: 'acme', sku: 'Größe 42' }],
    ['acme', undefined],
    [':A', undefined],
    ['acme:', undefined],
    ['Acme:A', undefined],
    ['acme:A\n', undefined],
    [`acme:${'x'.repeat(129)}`, undefined],
    // Code points count, as in the database.
    [`acme:${'😀'.repeat(128)}`, { vendorId: 'acme', sku: '😀'.repeat(128) }],
    [`acme:${'😀'.repeat(129)}`, undefined],
    ['acme:\ud83d', undefined],
  ])('%j names %j', (productId, parts) => {
    expect(parseProductId(productId)).toEqual(parts);
  });
});

describe('a cursor', () => {
  it('carries a timestamp to the microsecond', () => {
    const key = ['2030-01-31T12:00:00.123456Z', 'id'];
    expect(decodeCursor(encodeCursor(key), [isTimestampText, () => true])).toEqual(key);
  });

  it.each(['', 'rubbish', encodeCursor(['one']), encodeCursor(['2030-99-31T12:00:00.123456Z', 'id'])])(
    'refuses %j',
    (cursor) => {
      expect(() => decodeCursor(cursor, [isTimestampText, () => true])).toThrow(InvalidCursor);
    },
  );

  it('is there when there is more, and null at the end', () => {
    const paged = (found: number[]) =>
      page(
        found,
        2,
        (item) => item,
        (item) => [String(item)],
      );
    expect(paged([1, 2, 3])).toEqual({ items: [1, 2], nextCursor: encodeCursor(['2']) });
    expect(paged([1, 2])).toEqual({ items: [1, 2], nextCursor: null });
    expect(paged([])).toEqual({ items: [], nextCursor: null });
  });
});

describe('backoff', () => {
  it('doubles up to its limit, and takes a random share of that', () => {
    const ceilings = [1, 2, 3, 4, 5, 60].map((tries) => backoffMs(tries, 1000, 6000, () => 1));
    expect(ceilings).toEqual([1000, 2000, 4000, 6000, 6000, 6000]);
    expect(backoffMs(3, 1000, 6000, () => 0.25)).toBe(1000);
  });
});

describe('the clock of a listing', () => {
  const polledAt = new Date('2030-01-01T12:00:00Z');
  const clock = (asOf: string, stockAsOf: string | null, clockOffsetMs: number | null) =>
    clockProblem({
      asOf: new Date(asOf),
      polledAt,
      stockAsOf: stockAsOf === null ? null : new Date(stockAsOf),
      clockOffsetMs,
    });

  it.each([
    ['the first listing, whatever its time', '2035-01-01T00:00:00Z', null, null],
    ['one a little ahead', '2030-01-01T12:04:59Z', null, 0],
    ['one of a vendor that is always an hour ahead', '2030-01-01T13:04:00Z', null, 3_600_000],
    ['one of a vendor that was behind and corrects its clock', '2030-01-01T12:00:00Z', null, -3_600_000],
    ['the same time again', '2030-01-01T11:00:00Z', '2030-01-01T11:00:00Z', 0],
  ])('believes %s', (_, asOf, stockAsOf, offset) => {
    expect(clock(asOf, stockAsOf, offset)).toBeUndefined();
  });

  it.each([
    ['one that moves back', '2030-01-01T10:59:59.999Z', '2030-01-01T11:00:00Z', 0],
    ['one more than five minutes ahead', '2030-01-01T12:05:01Z', null, 0],
    ['one far ahead of a vendor that is always ahead', '2030-01-01T13:06:00Z', null, 3_600_000],
  ])('does not believe %s', (_, asOf, stockAsOf, offset) => {
    expect(clock(asOf, stockAsOf, offset)).toMatchObject({
      heldFor: 'CLOCK',
      detail: expect.stringMatching(/^CLOCK: /),
    });
  });
});

describe('a listing without a time', () => {
  it('has none that could be wrong', () => {
    const stockAsOf = new Date('2030-01-01T00:00:00Z');
    expect(clockProblem({ asOf: null, polledAt: stockAsOf, stockAsOf, clockOffsetMs: 0 })).toBeUndefined();
  });
});

describe('removals', () => {
  it.each([
    [{ staged: 80, known: 100, missing: 20 }, undefined],
    [{ staged: 79, known: 100, missing: 21 }, 'TRUNCATED'],
    [{ staged: 790, known: 1000, missing: 200, seen: 799, rowsExpected: 800 }, 'TRUNCATED'],
    [{ staged: 990, known: 1000, missing: 10, seen: 990, rowsExpected: 1000 }, undefined],
    [{ staged: 790, known: 1000, missing: 200 }, undefined],
    [{ staged: 1, known: 3, missing: 2 }, undefined],
    [{ staged: 0, known: 3, missing: 3 }, 'EMPTY'],
    [{ staged: 0, known: 0, missing: 0 }, undefined],
  ])('of %j are judged %s', (counts, problem) => {
    const found = removalProblem({ seen: counts.staged, rowsExpected: null, ...counts });
    expect(found?.heldFor).toBe(problem);
    if (problem !== undefined) expect(found?.detail).toMatch(new RegExp(`^${problem}: `));
  });
});

describe('a listed price', () => {
  it.each([
    ['19.99', '19.99'],
    [19.9, '19.9'],
    [0, '0'],
    ['9999999999.99', '9999999999.99'],
  ])('%j is %s', (price, text) => {
    expect(checkRow({ sku: 'A', name: 'A', quantity: 1, price })).toMatchObject({ price: text });
  });

  it.each(['1.999', '-1', '1e3', '10000000000', '', 'free', null, 0.1 + 0.2, 1e21, Number.NaN])(
    '%j is rejected',
    (price) => {
      expect(checkRow({ sku: 'A', name: 'A', quantity: 1, price })).toHaveProperty('rejected');
    },
  );
});

describe('the lifecycle', () => {
  it('only moves forward', () => {
    expect(orderSteps.every(({ from }) => from === 'pending')).toBe(true);
    expect(holdSteps.some(({ from }) => from === 'released')).toBe(false);
  });

  it('counts a hold until it is settled or released', () => {
    expect((['held', 'acknowledged', 'settled', 'released'] as const).filter(isCounted)).toEqual([
      'held',
      'acknowledged',
    ]);
  });
});

describe('private addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '192.168.1.1',
    '172.31.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '[::1]',
    '::1',
    'fd00::1',
    'fe80::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
  ])('%s is one', (address) => expect(isPrivateAddress(address)).toBe(true));
  it.each(['8.8.8.8', '172.32.0.1', '2606:4700::1111', 'example.com'])('%s is none', (address) =>
    expect(isPrivateAddress(address)).toBe(false),
  );
});

describe('what else a listing is held for', () => {
  it.each([
    [20, 20, undefined],
    [21, 210, undefined],
    [21, 209, 'PRICES'],
    [100_000, 1_000_000, undefined],
    [100_001, 1_000_000, 'PRICES'],
  ])('%i wild prices of %i', (wildPrices, staged, heldFor) => {
    expect(priceProblem({ wildPrices, staged })?.heldFor).toBe(heldFor);
  });

  it.each([
    [10, 0, undefined],
    [20, 0, undefined],
    [9, 1, undefined],
    [9, 2, 'LIMIT'],
  ])('%i products of 10 at most, and %i new SKUs', (stored, added, heldFor) => {
    expect(limitProblem({ stored, added, productsMax: 10 })?.heldFor).toBe(heldFor);
  });
});
