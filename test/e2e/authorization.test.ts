import { ApiClient } from '../support/client';
import { expectProblem, startTarget, type Target } from '../support/refusals';

const ID = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';
const SCOPES = ['orders:read', 'orders:write', 'catalog:read', 'ops'];

/** Every route under /v1, the scope it needs, and a request that would change something where it can. */
const routes: [method: string, path: string, scope: string, body?: unknown][] = [
  ['POST', '/v1/orders', 'orders:write', { productId: 'acme:A-1', quantity: 1 }],
  ['GET', '/v1/orders', 'orders:read'],
  ['GET', `/v1/orders/${ID}`, 'orders:read'],
  ['GET', `/v1/orders/${ID}/events`, 'orders:read'],
  ['POST', `/v1/orders/${ID}/cancel`, 'orders:write'],
  ['POST', '/v1/checkouts', 'orders:write', { lines: [{ productId: 'acme:A-1', quantity: 1 }] }],
  ['GET', `/v1/checkouts/${ID}`, 'orders:read'],
  ['GET', '/v1/products', 'catalog:read'],
  ['GET', '/v1/products/acme:A-1', 'catalog:read'],
  ['GET', '/v1/vendors', 'catalog:read'],
  ['GET', '/v1/vendors/acme', 'catalog:read'],
  ['PUT', '/v1/vendors/acme', 'ops', { name: 'Changed', kind: 'rest', baseUrl: 'http://127.0.0.1:9' }],
  ['POST', '/v1/vendors/acme/pause', 'ops'],
  ['POST', '/v1/vendors/acme/resume', 'ops'],
  ['POST', '/v1/vendors/acme/sync', 'ops'],
  ['GET', '/v1/vendors/acme/syncs', 'ops'],
  ['POST', `/v1/vendors/acme/syncs/${ID}/accept`, 'ops', { note: 'It is so.' }],
  ['POST', `/v1/vendors/acme/syncs/${ID}/reject`, 'ops', { note: 'It is not.' }],
  ['POST', '/v1/api-keys', 'ops', { name: 'mine', scopes: ['ops'] }],
  ['GET', '/v1/api-keys', 'ops'],
  ['DELETE', '/v1/api-keys/:everything', 'ops'],
  ['GET', '/v1/queues', 'ops'],
  ['GET', '/v1/dead-letters', 'ops'],
  ['GET', `/v1/dead-letters/${ID}`, 'ops'],
  ['POST', '/v1/dead-letters/replay', 'ops', {}],
  ['POST', `/v1/dead-letters/${ID}/replay`, 'ops'],
  ['POST', '/v1/dead-letters/dismiss', 'ops', {}],
  ['POST', `/v1/dead-letters/${ID}/dismiss`, 'ops'],
  ['POST', '/v1/reconciliation/runs', 'ops', {}],
  ['GET', '/v1/reconciliation/runs', 'ops'],
  ['GET', `/v1/reconciliation/runs/${ID}`, 'ops'],
  ['GET', '/v1/reconciliation/cases', 'ops'],
  ['GET', `/v1/reconciliation/cases/${ID}`, 'ops'],
  ['POST', `/v1/reconciliation/cases/${ID}/resolve`, 'ops', { resolution: 'recount', note: 'It is so.' }],
  ['GET', '/v1/consistency', 'ops'],
  ['GET', '/v1/consistency?fresh=true', 'ops'],
];

let target: Target;
let before: Record<string, string>;
/** Keys by what they are good for: `everything`, `expired`, `revoked`, and for each scope one that has only the others. */
const keys: Record<string, { apiKeyId: string; key: string }> = {};

beforeAll(async () => {
  target = await startTarget();
  const create = async (name: string, scopes: string[]): Promise<void> => {
    keys[name] = (await target.client.post('/v1/api-keys', { name, scopes })).body;
  };
  for (const name of ['everything', 'expired', 'revoked']) await create(name, SCOPES);
  for (const scope of SCOPES)
    await create(
      scope,
      SCOPES.filter((other) => other !== scope),
    );
  await target.client.call('DELETE', `/v1/api-keys/${keys['revoked']!.apiKeyId}`);
  await target.database.dataSource.query(`UPDATE api_keys SET expires_at = now() WHERE name = 'expired'`);
  const order = (await target.client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 })).body.orderId;
  await target.database.dataSource.query(
    `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload) VALUES ('${ID}', 'acme', '${order}', 'why', '{}')`,
  );
  await target.database.dataSource.query(
    `INSERT INTO reconciliation_cases (case_id, vendor_id, product_id, kind, subject, essence, evidence, resolutions)
     VALUES ('${ID}', 'acme', 'acme:A-1', 'reservedDiffers', 'acme:A-1', '', '{}', '{recount}')`,
  );
  before = await target.contents();
});

afterAll(() => target?.stop());

describe.each(routes)('%s %s', (method, path, scope, body) => {
  const call = (authorization: string | undefined) => {
    const headers = authorization === undefined ? undefined : { authorization };
    const address = path.replace(':everything', keys['everything']!.apiKeyId);
    return new ApiClient(target.api.url, undefined).call(method, address, body, headers);
  };

  it.each([
    ['no Authorization', () => undefined],
    ['an empty one', () => ''],
    ['no key in it', () => 'Bearer '],
    ['a key that was never issued', () => `Bearer hf_${'x'.repeat(43)}`],
    ['the id of a key for its secret', () => `Bearer ${keys['everything']!.apiKeyId}`],
    ['half a key', () => `Bearer ${keys['everything']!.key.slice(0, -1)}`],
    ['two keys', () => `Bearer ${keys['everything']!.key} ${keys['everything']!.key}`],
    ['a key without its scheme', () => keys['everything']!.key],
    ['a key under another scheme', () => `Basic ${Buffer.from(`user:${keys['everything']!.key}`).toString('base64')}`],
    ['an expired key', () => `Bearer ${keys['expired']!.key}`],
    ['a revoked key', () => `Bearer ${keys['revoked']!.key}`],
    ['other letters', () => 'Bearer clé'],
    ['ten thousand characters', () => `Bearer ${'x'.repeat(10_000)}`],
  ])('is closed to %s', async (_, authorization) => {
    const answer = await call(authorization());
    expectProblem(answer, '401 UNAUTHENTICATED');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  it(`is closed to every scope but ${scope}, and says which it needs`, async () => {
    const answer = await call(`Bearer ${keys[scope]!.key}`);
    expectProblem(answer, '403 INSUFFICIENT_SCOPE');
    expect(answer.body.detail).toContain(scope);
  });

  it('knows no key in the query', async () => {
    const address = `${path}${path.includes('?') ? '&' : '?'}access_token=${keys['everything']!.key}`;
    expectProblem(await new ApiClient(target.api.url, undefined).call(method, address, body), '401 UNAUTHENTICATED');
  });
});

it.each([
  ['that is not JSON', '{', 'application/json'],
  ['of another type', 'x', 'text/plain'],
  ['of two megabytes', ' '.repeat(2 * 1024 * 1024), 'application/json'],
])('a stranger is told so whatever the body: one %s is not even read', async (_, body, type) => {
  for (const [method, path] of routes.filter(([asked]) => asked !== 'GET')) {
    const stranger = new ApiClient(target.api.url, undefined);
    expectProblem(await stranger.call(method, path, body, { 'content-type': type }), '401 UNAUTHENTICATED');
  }
});

it('all of that changed nothing, and logged no error', async () => {
  expect(await target.contents()).toEqual(before);
  expect(target.errorsLogged()).toEqual([]);
});

describe('open to everyone', () => {
  it.each(['/health/live', '/health/ready', '/metrics', '/docs', '/docs-json'])('is %s', async (path) => {
    expect((await fetch(`${target.api.url}${path}`)).status).toBe(200);
    expect((await fetch(`${target.api.url}${path}`, { headers: { authorization: 'Bearer wrong' } })).status).toBe(200);
  });
});

it.each(['bearer', 'BEARER'])('the scheme may be spelt %s', async (scheme) => {
  const headers = { authorization: `${scheme} ${keys['everything']!.key}` };
  expect((await fetch(`${target.api.url}/v1/orders`, { headers })).status).toBe(200);
});
