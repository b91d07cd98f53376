import type { ApiClient } from '../support/client';
import { expectProblem, startTarget, type Target } from '../support/refusals';

const ID = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';
const LISTS = [
  '/v1/orders',
  '/v1/products',
  '/v1/vendors',
  '/v1/vendors/acme/syncs',
  '/v1/api-keys',
  '/v1/dead-letters',
  '/v1/reconciliation/runs',
  '/v1/reconciliation/cases',
];

/** Every route with a parameter in its path, and how it answers one that names nothing. */
const note = { note: 'It is so.' };
const parameters: [method: string, path: string, missing: string, body?: unknown][] = [
  ['GET', '/v1/orders/:id', '404 ORDER_NOT_FOUND'],
  ['GET', '/v1/orders/:id/events', '404 ORDER_NOT_FOUND'],
  ['POST', '/v1/orders/:id/cancel', '404 ORDER_NOT_FOUND'],
  ['GET', '/v1/checkouts/:id', '404 CHECKOUT_NOT_FOUND'],
  ['GET', '/v1/products/:id', '404 PRODUCT_NOT_FOUND'],
  ['GET', '/v1/vendors/:id', '404 VENDOR_NOT_FOUND'],
  ['POST', '/v1/vendors/:id/pause', '404 VENDOR_NOT_FOUND'],
  ['POST', '/v1/vendors/:id/resume', '404 VENDOR_NOT_FOUND'],
  ['POST', '/v1/vendors/:id/sync', '404 VENDOR_NOT_FOUND'],
  ['GET', '/v1/vendors/:id/syncs', '404 VENDOR_NOT_FOUND'],
  ['POST', `/v1/vendors/:id/syncs/${ID}/accept`, '404 VENDOR_NOT_FOUND', note],
  ['POST', `/v1/vendors/:id/syncs/${ID}/reject`, '404 VENDOR_NOT_FOUND', note],
  ['POST', '/v1/vendors/acme/syncs/:id/accept', '404 SYNC_RUN_NOT_FOUND', note],
  ['POST', '/v1/vendors/acme/syncs/:id/reject', '404 SYNC_RUN_NOT_FOUND', note],
  ['DELETE', '/v1/api-keys/:id', '404 API_KEY_NOT_FOUND'],
  ['GET', '/v1/dead-letters/:id', '404 DEAD_LETTER_NOT_FOUND'],
  ['POST', '/v1/dead-letters/:id/replay', '404 DEAD_LETTER_NOT_FOUND'],
  ['POST', '/v1/dead-letters/:id/dismiss', '404 DEAD_LETTER_NOT_FOUND'],
  ['GET', '/v1/reconciliation/runs/:id', '404 RECONCILIATION_RUN_NOT_FOUND'],
  ['GET', '/v1/reconciliation/cases/:id', '404 CASE_NOT_FOUND'],
  ['POST', '/v1/reconciliation/cases/:id/resolve', '404 CASE_NOT_FOUND', { resolution: 'dismiss', ...note }],
];

let target: Target;
let client: ApiClient;
let before: Record<string, string>;
/** A cursor of each list, as it was answered. */
const cursors: Record<string, string> = {};

beforeAll(async () => {
  target = await startTarget();
  client = target.client;
  await client.put('/v1/vendors/second', {
    name: 'Second',
    kind: 'rest',
    baseUrl: 'http://127.0.0.1:9',
    enabled: false,
  });
  for (let count = 0; count < 2; count++) {
    await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 });
    await client.post('/v1/api-keys', { name: 'test', scopes: ['ops'] });
  }
  await target.database.dataSource.query(
    `INSERT INTO stock_sync_runs (sync_run_id, vendor_id, trigger, kind, status, finished_at)
     VALUES ('${ID}', 'second', 'schedule', 'full', 'failed', now()),
            ('00000000-0000-7000-8000-000000000000', 'acme', 'schedule', 'full', 'failed', now())`,
  );
  await target.database.dataSource.query(
    `INSERT INTO dead_letters (dead_letter_id, cause, payload)
     SELECT '00000000-0000-7000-8000-00000000000' || n, 'why', '{}' FROM generate_series(1, 2) n`,
  );
  await target.database.dataSource.query(
    `INSERT INTO reconciliation_runs (reconciliation_run_id, trigger)
     SELECT '00000000-0000-7000-8000-00000000000' || n, 'schedule' FROM generate_series(1, 2) n`,
  );
  await target.database.dataSource.query(
    `INSERT INTO reconciliation_cases (case_id, vendor_id, kind, subject, essence, evidence, resolutions)
     SELECT '00000000-0000-7000-8000-00000000000' || n, 'acme', 'reservedDiffers', n, '', '{}', '{recount}'
     FROM generate_series(1, 2) n`,
  );
  for (const list of LISTS) cursors[list] = (await client.get(`${list}?limit=1`)).body.nextCursor;
  before = await target.contents();
});

afterAll(() => target?.stop());

describe.each(parameters)('%s %s', (method, path, missing, body) => {
  const call = (id: string) => client.call(method, path.replace(':id', id), body);

  it.each([
    'x',
    ID,
    ID.toUpperCase(),
    `${ID}%00`,
    '%00',
    '%0a',
    '%20',
    '..%2f..',
    '%2F',
    '%25',
    "'%20OR%201=1--",
    '%F0%9F%98%80',
    'acme:',
    ':A-1',
    'acme%3AA-0',
    '__proto__',
    'constructor',
    'x'.repeat(600),
    `acme:${'%2F'.repeat(128)}`,
    `acme:${'%E6%BC%A2'.repeat(128)}`,
  ])('finds nothing at %s', async (id) => expectProblem(await call(id), missing));

  it.each(['%zz', '%', '%f', '%ff', '%c3%28', '%ed%a0%80', 'a%zz'])('refuses the path parameter %s', async (id) => {
    expectProblem(await call(id), '400 VALIDATION_FAILED', ['path']);
  });

  it.each(['z', 'zq', '4', '%25', '_', '%25%25%25', '%5C', "'"])(
    'refuses to search for %s, which no index finds',
    async (q) => {
      const refused = await client.get(`/v1/products?q=${q}`);
      expectProblem(refused, '400 VALIDATION_FAILED', ['q']);
      expect(JSON.stringify(refused.body)).toMatch(/q.*too short to search by/);
    },
  );

  it.each([601, 20_000, 50_000])('refuses a path parameter of %i characters', async (length) => {
    expectProblem(await call('x'.repeat(length)), '414 URI_TOO_LONG');
  });
});

describe.each(LISTS)('GET %s', (list) => {
  it.each([
    '0',
    '-1',
    '201',
    '1000000000000',
    'abc',
    '1.5',
    '1e1',
    '0x10',
    '%201',
    '+1',
    '',
    '%00',
    '%zz',
    'true',
    '1&limit=2',
  ])('refuses limit=%s', async (limit) => {
    expectProblem(await client.get(`${list}?limit=${limit}`), '400 VALIDATION_FAILED', ['limit']);
  });

  it.each(['surprise', '__proto__', 'constructor', 'toString', 'limit%00', 'Limit', 'limit[]'])(
    'refuses the unknown parameter %s',
    async (name) => {
      expectProblem(await client.get(`${list}?${name}=1`), '400 VALIDATION_FAILED', [decodeURIComponent(name)]);
    },
  );

  it.each([
    '',
    'rubbish',
    '%00',
    '%zz',
    '%F0%9F%98%80',
    'null',
    encoded(null),
    encoded([]),
    encoded({}),
    encoded([null, null]),
    encoded([1, 2]),
    encoded('text'),
    encoded(['2030-02-31T12:00:00.000000Z', ID]),
    encoded(['0000-01-01T12:00:00.000000Z', ID]),
    encoded(['2030-01-01T25:00:00.000000Z', ID]),
    encoded(['infinity', ID]),
    encoded(['2030-01-01T12:00:00.000000Z', "' OR 1=1--"]),
    encoded(['acme', 'acme:\0']),
    encoded(['\0']),
    encoded(['a', 'b', 'c']),
  ])('refuses the cursor %j', async (cursor) => {
    expectProblem(await client.get(`${list}?cursor=${cursor}`), '400 INVALID_CURSOR');
  });

  it('refuses a cursor that is far too long, or there twice', async () => {
    expectProblem(await client.get(`${list}?cursor=${'x'.repeat(10_000)}`), '400 INVALID_CURSOR');
    expectProblem(
      await client.get(`${list}?cursor=${cursors[list]}&cursor=${cursors[list]}`),
      '400 VALIDATION_FAILED',
      ['cursor'],
    );
  });

  it('takes its own cursor, and refuses those of the other lists', async () => {
    for (const [other, cursor] of Object.entries(cursors)) {
      const answer = await client.get(`${list}?cursor=${cursor}`);
      if (other === list) expect(answer.status).toBe(200);
      else expectProblem(answer, '400 INVALID_CURSOR');
    }
  });
});

describe('filters', () => {
  const flags = ['maybe', '', '1', 'TRUE', 'true&FIELD=false', '%00'];
  const times = [
    'yesterday',
    '2030-01-31',
    '2030-01-31T12:00:00',
    '2030-02-31T12:00:00Z',
    '2030-02-29T12:00:00Z',
    '2030-01-31T12:00:00%2B24:00',
    '2030-01-31T12:00:00%2B16:00',
    '2030-01-31T12:00:00+01:00',
    '0000-01-01T00:00:00Z',
    '',
    '%00',
    '2030-01-31T12:00:00Z%00',
    '2030-01-31T12:00:00Z&FIELD=2030-01-31T12:00:00Z',
  ];
  const vendorIds = ['', 'A', 'a%00', 'acme&FIELD=acme', '%zz', '%ff'];
  const rows: [list: string, field: string, values: string[]][] = [
    ['/v1/orders', 'status', ['', 'open', 'Pending', 'pending,failed', 'pending&FIELD=failed', 'pending%00']],
    ['/v1/orders', 'vendorId', vendorIds],
    ['/v1/orders', 'productId', ['', '%20', '%00', 'x'.repeat(162), 'a&FIELD=b', 'a%0a']],
    ['/v1/orders', 'needsAttention', flags],
    ['/v1/orders', 'createdAfter', times],
    ['/v1/orders', 'createdBefore', times],
    ['/v1/products', 'vendorId', vendorIds],
    ['/v1/products', 'q', ['', '%20', '%00', 'a%00', 'x'.repeat(101), 'a&FIELD=b']],
    ['/v1/products', 'inStock', flags],
    ['/v1/products', 'listed', flags],
    ['/v1/dead-letters', 'vendorId', vendorIds],
    ['/v1/dead-letters', 'status', ['', 'OPEN', 'closed', 'open,replayed', 'open&FIELD=open', 'open%00']],
    ['/v1/vendors/acme/syncs', 'status', ['', 'HELD', 'closed', 'held,failed', 'held&FIELD=held', 'held%00']],
    ['/v1/orders', 'checkoutId', ['', 'x', '%00', ID.toUpperCase(), `${ID}&FIELD=${ID}`]],
    ['/v1/reconciliation/cases', 'vendorId', vendorIds],
    ['/v1/reconciliation/cases', 'status', ['', 'OPEN', 'closed', 'open,resolved', 'open&FIELD=open', 'open%00']],
    ['/v1/reconciliation/cases', 'kind', ['', 'heldsync', 'heldSync&FIELD=heldSync', 'constructor', 'heldSync%00']],
    ['/v1/consistency', 'fresh', flags],
    // Not of this release.
    ['/v1/orders', 'client', ['admin']],
    ['/v1/consistency', 'limit', ['1']],
  ];

  it.each(rows.flatMap(([list, field, values]) => values.map((value) => [list, field, value] as const)))(
    '%s refuses %s=%s',
    async (list, field, value) => {
      expectProblem(await client.get(`${list}?${field}=${value.replace('FIELD', field)}`), '400 VALIDATION_FAILED', [
        field,
      ]);
    },
  );

  it.each([
    '/v1/orders?productId=%25',
    '/v1/orders?productId=nobody:x',
    '/v1/orders?vendorId=nobody',
    `/v1/orders?checkoutId=${ID}`,
    '/v1/orders?createdAfter=9999-12-31T23:59:59.999999999Z',
    '/v1/orders?createdBefore=0001-01-01T00:00Z',
    '/v1/dead-letters?vendorId=nobody',
    '/v1/dead-letters?status=dismissed',
    '/v1/vendors/acme/syncs?status=held',
    '/v1/reconciliation/cases?vendorId=nobody',
    '/v1/reconciliation/cases?status=resolved',
    '/v1/reconciliation/cases?kind=heldSync',
    '/v1/products?q=%2525A',
    '/v1/products?q=___A',
    '/v1/products?q=%5CAA%5C',
    "/v1/products?q='A'",
    '/v1/products?q=%zz',
    '/v1/products?q=%ff',
  ])('%s finds nothing', async (path) => {
    expect(await client.get(path)).toMatchObject({ status: 200, body: { items: [], nextCursor: null } });
  });
});

function encoded(key: unknown): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

it('stored nothing of all that, and logged no error', async () => {
  expect(await target.contents()).toEqual(before);
  expect(target.errorsLogged()).toEqual([]);
  expect(target.api.running()).toBe(true);
});
