import { Agent, request } from 'node:http';
import { ApiClient } from '../support/client';
import { expectProblem, startTarget, type Target } from '../support/refusals';

const MiB = 1024 * 1024;
const order = { productId: 'acme:A-1', quantity: 1 };
const vendor = { name: 'Acme', kind: 'rest', baseUrl: 'http://127.0.0.1:9/acme' };
const key = { name: 'shop', scopes: ['orders:read'] };

/** Every route that takes a body, and a body it would take. */
const bodies: [method: string, path: string, good: Record<string, unknown>][] = [
  ['POST', '/v1/orders', order],
  ['PUT', '/v1/vendors/acme', vendor],
  ['POST', '/v1/api-keys', key],
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

describe.each(bodies)('%s %s', (method, path, good) => {
  it.each([
    ['an array', [good]],
    ['an empty array', []],
    ['a string', '"text"'],
    ['a number', '1'],
    ['null', 'null'],
    ['true', 'true'],
    ['nothing', undefined],
  ])('refuses %s as a body', async (_, body) => {
    expectProblem(await client.call(method, path, body), '400 VALIDATION_FAILED', ['body']);
  });

  it.each([
    ['half of one', JSON.stringify(good).slice(0, -1)],
    ['something after it', `${JSON.stringify(good)}}`],
    ['single quotes', `{'name': 'x'}`],
    ['a word', 'undefined'],
    ['nothing', ''],
    ['a NUL', '\0'],
  ])('refuses JSON that is %s', async (_, body) => {
    expectProblem(await client.call(method, path, body), '400 MALFORMED_JSON');
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'json',
    '',
  ])('refuses Content-Type %j', async (type) => {
    const text = type.includes('urlencoded') ? new URLSearchParams(good as never).toString() : JSON.stringify(good);
    expectProblem(await client.call(method, path, text, { 'content-type': type }), '415 UNSUPPORTED_MEDIA_TYPE');
  });

  it.each(['surprise', 'constructor', 'toString', '__proto__', 'hasOwnProperty', '0', ''])(
    'refuses the unknown field %j',
    async (name) => {
      const body = JSON.stringify({ ...good, surprise: { isAdmin: true } }).replace('"surprise"', JSON.stringify(name));
      expectProblem(await client.call(method, path, body), '400 VALIDATION_FAILED', [name]);
    },
  );

  it.each([
    ['fields', () => `{${Array.from({ length: 100_000 }, (_, index) => `"${index}":1`).join(',')}}`],
    ['items', () => `{"scopes":[${'{},'.repeat(330_000)}{}]}`],
  ])('refuses a megabyte of %s, and at once', async (_, body) => {
    const began = performance.now();
    expectProblem(await client.call(method, path, body()), '400 VALIDATION_FAILED', ['body']);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it.each([
    ['arrays', '[', ']'],
    ['objects', '{"a":', '}'],
  ])('refuses a body of half a megabyte of nested %s', async (_, open, close) => {
    const depth = MiB / 2 / (open.length + 1);
    const nested = `{"name":${open.repeat(depth)}1${close.repeat(depth)}}`;
    const { status, body } = await client.call(method, path, nested);
    expect([status, body.code, body.errors[0].message]).toEqual([
      400,
      'VALIDATION_FAILED',
      'must not be nested deeper than 16 levels',
    ]);
  });

  it.each([
    ['said', { 'content-length': String(2 * MiB) }],
    ['unsaid', { 'transfer-encoding': 'chunked' }],
  ])('refuses two megabytes, their length %s, and the client can go on', async (_, framing) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const url = `${client.url}${path}`;
    const headers = { 'content-type': 'application/json', ...framing };
    const large = await exchange(url, { method, agent, headers }, Buffer.alloc(2 * MiB, ' '));
    expect([large.status, large.code]).toEqual([413, 'BODY_TOO_LARGE']);
    expect((await exchange(`${client.url}/health/live`, { agent })).status).toBe(200);
    agent.destroy();
  });
});

describe('POST /v1/orders', () => {
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
    expectProblem(await client.post('/v1/orders', { ...order, quantity }), '400 VALIDATION_FAILED', ['quantity']);
  });

  it.each(['1e400', '-0', '0.99999999999999999999e0'])(
    'reads the quantity %s as JSON does, and refuses what that is not',
    async (quantity) => {
      const { status } = await client.post('/v1/orders', `{"productId":"acme:none","quantity":${quantity}}`);
      expect(status).toBe(quantity.startsWith('0.9') ? 404 : 400);
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
    expectProblem(await client.post('/v1/orders', { ...order, productId }), '400 VALIDATION_FAILED', ['productId']);
  });

  it('names every field at fault', async () => {
    expectProblem(await client.post('/v1/orders', { quantity: 'two', note: '' }), '400 VALIDATION_FAILED', [
      'note',
      'productId',
      'quantity',
    ]);
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
  ])('knows no product %j', async (productId) =>
    expectProblem(await client.post('/v1/orders', { productId, quantity: 1 }), '404 PRODUCT_NOT_FOUND'),
  );

  it.each([
    ['of 256 characters', 'k'.repeat(256)],
    ['that is empty', ''],
    ['of other letters', 'clé'],
    ['with a tab', 'a\tb'],
  ])('refuses an Idempotency-Key %s', async (_, idempotencyKey) => {
    const answer = await client.post('/v1/orders', order, { 'idempotency-key': idempotencyKey });
    expectProblem(answer, '400 VALIDATION_FAILED', ['Idempotency-Key']);
  });
});

interface Exchanged {
  status: number | undefined;
  code: unknown;
}

/** Below fetch, which keeps neither connections nor framing in our hands. */
function exchange(url: string, options: object, body?: Buffer): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code?: unknown };
        resolve({ status: response.statusCode, code });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

it('stored nothing of all that, and logged no error', async () => {
  expect(await target.contents()).toEqual(before);
  expect(target.errorsLogged()).toEqual([]);
  expect(target.api.running()).toBe(true);
});
