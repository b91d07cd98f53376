import type { ApiClient } from '../support/client';
import { STOCK } from '../support/installation';
import { expectProblem, startTarget, type Target } from '../support/refusals';

const good = { productId: 'acme:A-1', quantity: 1 };

/** Where an order's line stands in a body, and what its fields are called there. */
const placings: [path: string, bodyOf: (line: unknown) => unknown, prefix: string][] = [
  ['/v1/orders', (line) => line, ''],
  ['/v1/checkouts', (line) => ({ lines: [good, line] }), 'lines[1].'],
];

let target: Target;
let client: ApiClient;
let before: Record<string, string>;

beforeAll(async () => {
  target = await startTarget();
  client = target.client;
  before = await target.contents();
});

afterAll(() => target?.stop());

describe.each(placings)('POST %s', (path, bodyOf, prefix) => {
  it.each([
    ['1'],
    [1.5],
    [0],
    [-1],
    [1_000_001],
    [1e12],
    [Number.MAX_SAFE_INTEGER + 2],
    [true],
    [null],
    [[1]],
    [{ value: 1 }],
    [undefined],
  ])('refuses the quantity %j', async (quantity) => {
    expectProblem(await client.post(path, bodyOf({ ...good, quantity })), '400 VALIDATION_FAILED', [
      `${prefix}quantity`,
    ]);
  });

  it.each(['1e400', '-0', '-1e-400'])(
    'reads the quantity %s as JSON does, and refuses what that is',
    async (quantity) => {
      const body = JSON.stringify(bodyOf({ ...good, quantity: 12321 })).replace('12321', quantity);
      expectProblem(await client.post(path, body), '400 VALIDATION_FAILED', [`${prefix}quantity`]);
    },
  );

  it.each([
    [1],
    [[]],
    [['acme:A-1']],
    [{}],
    [null],
    [true],
    [undefined],
    [''],
    [' '],
    [`acme:${'x'.repeat(157)}`],
    ['acme:A\n1'],
    ['acme:A\u00001'],
    ['acme:\ud800'],
    ['acme:A\u2028'],
    ['acme:A\u0085'],
  ])('refuses the productId %j', async (productId) => {
    expectProblem(await client.post(path, bodyOf({ ...good, productId })), '400 VALIDATION_FAILED', [
      `${prefix}productId`,
    ]);
  });

  it.each(['surprise', 'unitPrice', 'vendorId', 'constructor', '__proto__'])(
    'refuses the unknown field %s',
    async (name) => {
      const body = JSON.stringify(bodyOf({ ...good, surprise: 1 })).replace('"surprise"', `"${name}"`);
      expectProblem(await client.post(path, body), '400 VALIDATION_FAILED', [`${prefix}${name}`]);
    },
  );

  it('names every field at fault', async () => {
    const fields = ['note', 'productId', 'quantity'].map((field) => `${prefix}${field}`);
    expectProblem(await client.post(path, bodyOf({ quantity: 'two', note: '' })), '400 VALIDATION_FAILED', fields);
  });

  it.each([
    'acme:A-999',
    'nobody:A-1',
    'A-1',
    ':',
    'acme:',
    'ACME:A-1',
    'acme:a-1',
    'acme:A-1 ',
    `acme:${'x'.repeat(129)}`,
    "acme:' OR 1=1--",
    '__proto__:x',
    'constructor',
  ])('knows no product %j', async (productId) => {
    expectProblem(await client.post(path, bodyOf({ ...good, productId })), '404 PRODUCT_NOT_FOUND', [
      `${prefix}productId`,
    ]);
  });

  it.each([
    ['of 256 characters', 'k'.repeat(256)],
    ['that is empty', ''],
    ['of other letters', 'clé'],
    ['with a tab', 'a\tb'],
  ])('refuses an Idempotency-Key %s', async (_, key) => {
    const answer = await client.post(path, bodyOf(good), { 'idempotency-key': key });
    expectProblem(answer, '400 VALIDATION_FAILED', ['Idempotency-Key']);
  });
});

describe('POST /v1/checkouts', () => {
  it.each([
    ['none', []],
    ['a hundred and one', Array.from({ length: 101 }, () => good)],
    ['something else', good],
    ['text', 'acme:A-1'],
    ['null', null],
    ['absent', undefined],
    ['text in a list', ['acme:A-1']],
    ['numbers in a list', [1]],
    ['null in a list', [good, null]],
    ['lists in a list', [[good]]],
  ])('refuses lines that are %s', async (_, lines) => {
    const { status, body } = await client.post('/v1/checkouts', { lines });
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    for (const { field } of body.errors) expect(field).toMatch(/^lines/);
  });

  it('names every line that is too much, also over several lines of one product', async () => {
    const lines = [good, { ...good, quantity: 1_000_000 }, { productId: 'acme:A-2', quantity: 1 }];
    expectProblem(await client.post('/v1/checkouts', { lines }), '400 VALIDATION_FAILED', [
      'lines[0].quantity',
      'lines[1].quantity',
    ]);
  });

  it('names every line that is unknown, or that stock does not suffice for', async () => {
    const unknown = { productId: 'acme:none', quantity: 1 };
    expectProblem(await client.post('/v1/checkouts', { lines: [unknown, good, unknown] }), '404 PRODUCT_NOT_FOUND', [
      'lines[0].productId',
      'lines[2].productId',
    ]);
    const short = { productId: 'acme:A-2', quantity: 30 };
    const both = await client.post('/v1/checkouts', { lines: [short, unknown, good, short] });
    expectProblem(both, '404 PRODUCT_NOT_FOUND', ['lines[0].quantity', 'lines[3].quantity', 'lines[1].productId']);
    expect(both.body.errors[0]).toMatchObject({ productId: 'acme:A-2', requested: 60, available: STOCK });
    expect(both.body.errors[2]).toMatchObject({ productId: 'acme:none', requested: 1, available: 0 });
    expectProblem(await client.post('/v1/checkouts', { lines: [short, good, short] }), '409 INSUFFICIENT_STOCK', [
      'lines[0].quantity',
      'lines[2].quantity',
    ]);
  });
});

it('stored nothing of all that, and logged no error', async () => {
  expect(await target.contents()).toEqual(before);
  expect(target.errorsLogged()).toEqual([]);
  expect(target.api.running()).toBe(true);
});
