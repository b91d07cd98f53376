import { Agent, request } from 'node:http';
import type { ApiClient } from '../support/client';
import { expectProblem, startTarget, type Target } from '../support/refusals';

const MiB = 1024 * 1024;
const ID = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';
const order = { productId: 'acme:A-1', quantity: 1 };
const vendor = { name: 'Acme', kind: 'rest', baseUrl: 'http://127.0.0.1:9/acme' };
const key = { name: 'shop', scopes: ['orders:read'] };

/** Every route that takes a body, and a body it would take. */
const bodies: [method: string, path: string, good: Record<string, unknown>][] = [
  ['POST', '/v1/orders', order],
  ['POST', '/v1/checkouts', { lines: [order] }],
  ['PUT', '/v1/vendors/acme', vendor],
  ['POST', '/v1/api-keys', key],
  ['POST', '/v1/dead-letters/replay', { dryRun: true }],
  ['POST', '/v1/dead-letters/dismiss', { dryRun: true }],
  ['POST', '/v1/reconciliation/runs', { dryRun: true }],
  ['POST', `/v1/reconciliation/cases/${ID}/resolve`, { resolution: 'dismiss', note: 'Yes.' }],
];

/** Every route that takes none: its address says everything. */
const bodiless: [method: string, path: string][] = [
  ['POST', `/v1/orders/${ID}/cancel`],
  ['POST', '/v1/vendors/acme/pause'],
  ['POST', '/v1/vendors/acme/resume'],
  ['POST', '/v1/vendors/acme/sync'],
  ['DELETE', `/v1/api-keys/${ID}`],
  ['POST', `/v1/dead-letters/${ID}/replay`],
  ['POST', `/v1/dead-letters/${ID}/dismiss`],
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
    expect(performance.now() - began).toBeLessThan(3000);
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
    const authorization = `Bearer ${target.adminApiKey}`;
    const headers = { authorization, 'content-type': 'application/json', ...framing };
    const large = await exchange(url, { method, agent, headers }, Buffer.alloc(2 * MiB, ' '));
    expect([large.status, large.code]).toEqual([413, 'BODY_TOO_LARGE']);
    expect((await exchange(`${client.url}/health/live`, { agent })).status).toBe(200);
    agent.destroy();
  });
});

describe.each(bodiless)('%s %s', (method, path) => {
  it.each([[{ dryRun: true }], [[1]], ['"text"'], ['null'], ['0']])('refuses the body %j', async (body) => {
    expectProblem(await client.call(method, path, body), '400 VALIDATION_FAILED', ['body']);
  });

  it('refuses what is not JSON, or too much', async () => {
    expectProblem(await client.call(method, path, '{'), '400 MALFORMED_JSON');
    expectProblem(await client.call(method, path, 'x', { 'content-type': 'text/plain' }), '415 UNSUPPORTED_MEDIA_TYPE');
    const headers = {
      authorization: `Bearer ${target.adminApiKey}`,
      'content-type': 'application/json',
      'content-length': 2 * MiB,
    };
    const large = await exchange(`${client.url}${path}`, { method, headers }, Buffer.alloc(2 * MiB, ' '));
    expect([large.status, large.code]).toEqual([413, 'BODY_TOO_LARGE']);
  });
});

it('stored nothing of all that, and logged no error', async () => {
  expect(await target.contents()).toEqual(before);
  expect(target.errorsLogged()).toEqual([]);
  expect(target.api.running()).toBe(true);
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
