import { createHash } from 'node:crypto';
import { type Answer, ApiClient, type Json } from '../support/client';
import { run } from '../support/command';
import { createDatabase, type TestDatabase } from '../support/database';
import { type AppProcess, freePort, ready, startProcess } from '../support/processes';
import { waitFor } from '../support/wait';

const ADMIN_API_KEY = 'api-keys-test-admin';
const KEYS = 'launch/keys.command.js';
const IN_TEN_YEARS = new Date(Date.now() + 10 * 365 * 86_400_000).toISOString();

let database: TestDatabase;
let api: AppProcess;
let admin: ApiClient;
/** Every secret that was issued; none may turn up anywhere else. */
const secrets: string[] = [];

beforeAll(async () => {
  database = await createDatabase();
  const env = { DATABASE_URL: database.url, ADMIN_API_KEY, LOG_LEVEL: 'trace' };
  api = await startProcess('api', { ...env, PORT: String(await freePort()) });
  await ready(api);
  admin = new ApiClient(api.url, ADMIN_API_KEY);
});

afterAll(async () => {
  await api?.stop();
  await database?.drop();
});

async function create(body: Record<string, unknown>): Promise<Json> {
  const { status, body: created } = await admin.post('/v1/api-keys', { name: 'test', scopes: ['ops'], ...body });
  expect(status).toBe(201);
  secrets.push(created.key);
  return created;
}

async function keys(...args: string[]) {
  const finished = await run(KEYS, args, { DATABASE_URL: database.url });
  const key = /^hf_\S+/.exec(finished.stdout)?.[0];
  if (key !== undefined) secrets.push(key);
  return { ...finished, key: key ?? '', apiKeyId: /\(([0-9a-f-]{36})\)/.exec(finished.stdout)?.[1] ?? '' };
}

async function listed(): Promise<Json[]> {
  return (await admin.get('/v1/api-keys?limit=200')).body.items;
}

const statusWith = async (key: string, path = '/v1/api-keys'): Promise<number> =>
  (await new ApiClient(api.url, key).get(path)).status;

describe('a key over HTTP', () => {
  it('is answered with its secret this once, and listed without', async () => {
    const created = await create({
      name: 'shop',
      client: 'the shop',
      scopes: ['ops', 'ops', 'orders:read'],
      expiresAt: IN_TEN_YEARS,
    });
    const { key, ...shown } = created;
    expect(key).toMatch(/^hf_[\w-]{43}$/);
    expect(shown).toEqual({
      apiKeyId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      name: 'shop',
      client: 'the shop',
      scopes: ['ops', 'orders:read'],
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      expiresAt: IN_TEN_YEARS,
    });
    expect(await listed()).toContainEqual(shown);
    expect(await statusWith(key)).toBe(200);
  });

  it('belongs to a client of its own name and never expires, unless said otherwise', async () => {
    expect(await create({ name: 'plain' })).toMatchObject({ client: 'plain', expiresAt: null });
    expect(await create({ name: 'nulls', client: null, expiresAt: null })).toMatchObject({
      client: 'nulls',
      expiresAt: null,
    });
  });

  it('is stored as nothing but its hash', async () => {
    const { apiKeyId, key } = await create({ name: 'hashed' });
    const [stored]: Json[] = await database.dataSource.query(
      'SELECT k.*, k::text AS everything FROM api_keys k WHERE api_key_id = $1',
      [apiKeyId],
    );
    expect(stored.key_hash).toEqual(createHash('sha256').update(key).digest());
    expect(stored.everything).not.toContain((key as string).slice(3));
  });

  it('opens what its scopes say and nothing else', async () => {
    const { key } = await create({ scopes: ['catalog:read'] });
    const paths = ['/v1/products', '/v1/vendors', '/v1/orders', '/v1/api-keys'];
    expect(await Promise.all(paths.map((path) => statusWith(key, path)))).toEqual([200, 200, 403, 403]);
  });

  it('is refused at once when it is revoked, which works once', async () => {
    const { apiKeyId, key } = await create({ name: 'revoked' });
    expect(await statusWith(key)).toBe(200);
    const revoked = await admin.call('DELETE', `/v1/api-keys/${apiKeyId}`);
    expect([revoked.status, revoked.body]).toEqual([204, undefined]);
    expect(await statusWith(key)).toBe(401);
    expect((await listed()).map((shown) => shown.apiKeyId)).not.toContain(apiKeyId);
    const again = await admin.call('DELETE', `/v1/api-keys/${apiKeyId}`);
    expect([again.status, again.body.code]).toEqual([404, 'API_KEY_NOT_FOUND']);
  });

  it('is revoked too by clients that say a content type and send nothing', async () => {
    const { apiKeyId } = await create({ name: 'revoked' });
    const revoked = await admin.call('DELETE', `/v1/api-keys/${apiKeyId}`, undefined, {
      'content-type': 'application/json',
    });
    expect(revoked.status).toBe(204);
  });

  it('is refused once it has expired', async () => {
    const { key } = await create({ name: 'short-lived', expiresAt: new Date(Date.now() + 2000).toISOString() });
    expect(await statusWith(key)).toBe(200);
    await waitFor(async () => (await statusWith(key)) === 401, { withinMs: 5000, what: 'the key to expire' });
  });

  it('is rotated without a moment in which neither works', async () => {
    const old = await create({ name: 'shop 2029', client: 'rotating' });
    const next = await create({ name: 'shop 2030', client: 'rotating' });
    expect([await statusWith(old.key), await statusWith(next.key)]).toEqual([200, 200]);
    // Even a key that revokes itself is answered.
    expect((await new ApiClient(api.url, old.key).call('DELETE', `/v1/api-keys/${old.apiKeyId}`)).status).toBe(204);
    expect([await statusWith(old.key), await statusWith(next.key)]).toEqual([401, 200]);
  });
});

describe('the list of keys', () => {
  it('is paged oldest first, each key once, while others come and go', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await create({ name });
    const before = await listed();
    const seen: Json[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body }: Answer<Json> = await admin.get(`/v1/api-keys?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...body.items);
      cursor = body.nextCursor;
      if (seen.length === 2) await admin.call('DELETE', `/v1/api-keys/${seen[1].apiKeyId}`);
      if (seen.length === 4) await create({ name: 'newest' });
    }
    expect(seen.slice(0, -1)).toEqual(before);
    expect(seen.at(-1).name).toBe('newest');
  });
});

describe('npm run keys', () => {
  it('creates a key that opens the API, lists it, and revokes it', async () => {
    const created = await keys(
      'create',
      '--name',
      'cli',
      '--scopes',
      'ops, orders:read',
      '--client',
      'shop',
      '--expires',
      IN_TEN_YEARS,
    );
    expect([created.code, created.stderr]).toEqual([0, '']);
    const { apiKeyId } = created;
    expect(await listed()).toContainEqual(
      expect.objectContaining({
        apiKeyId,
        name: 'cli',
        client: 'shop',
        scopes: ['ops', 'orders:read'],
        expiresAt: IN_TEN_YEARS,
      }),
    );
    expect(await statusWith(created.key)).toBe(200);

    const list = await keys('list');
    expect([list.code, list.stdout]).toEqual([0, expect.stringContaining(apiKeyId)]);

    const revoked = await keys('revoke', apiKeyId);
    expect([revoked.code, revoked.stdout]).toEqual([0, `Revoked ${apiKeyId}.\n`]);
    // Another process believes a key that it has verified for some seconds.
    await waitFor(async () => (await statusWith(created.key)) === 401, {
      withinMs: 10_000,
      what: 'the key to be refused',
    });
    expect((await keys('list')).stdout).not.toContain(apiKeyId);
  });

  it.each([
    ['an unknown scope', ['create', '--name', 'x', '--scopes', 'ops,root'], /^scopes: .*orders:read/],
    ['no scope', ['create', '--name', 'x', '--scopes', ''], /^scopes: /],
    ['a name of blanks', ['create', '--name', ' ', '--scopes', 'ops'], /^name: /],
    ['a client too long', ['create', '--name', 'x', '--scopes', 'ops', '--client', 'c'.repeat(201)], /^client: /],
    [
      'a day that is not',
      ['create', '--name', 'x', '--scopes', 'ops', '--expires', '2030-02-31T00:00:00Z'],
      /^expiresAt: /,
    ],
    [
      'a time without its zone',
      ['create', '--name', 'x', '--scopes', 'ops', '--expires', '2030-01-01'],
      /^expiresAt: /,
    ],
    [
      'a time that has passed',
      ['create', '--name', 'x', '--scopes', 'ops', '--expires', '2020-01-01T00:00:00Z'],
      /^expiresAt: /,
    ],
    ['a key that is not', ['revoke', 'nothing'], /^There is no API key nothing/],
  ])('refuses %s in one sentence, and exits 1', async (_, args, sentence) => {
    const before = await listed();
    const { code, stdout, stderr } = await keys(...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await listed()).toEqual(before);
  });
});

it('no secret is ever listed or logged, at any level', async () => {
  expect(secrets.length).toBeGreaterThan(10);
  const places = [api.output(), JSON.stringify(await listed()), (await keys('list')).stdout];
  for (const place of places) {
    expect(place.length).toBeGreaterThan(100);
    for (const secret of [...secrets, ADMIN_API_KEY]) expect(place.includes(secret)).toBe(false);
  }
});
