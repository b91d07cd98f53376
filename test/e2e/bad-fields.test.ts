import type { ApiClient } from '../support/client';
import { expectProblem, startTarget, type Target } from '../support/refusals';

const vendor = { name: 'Acme', kind: 'rest', baseUrl: 'http://127.0.0.1:9/acme' };
const key = { name: 'shop', scopes: ['orders:read'] };
const NOT_A_NAME = ['', ' ', 'x'.repeat(201), 'a\nb', 'a\0b', '\ud800', 1, true, null, [], ['a'], {}];
const NOT_A_COUNT = ['1', 1.5, -1, true, [1], {}, 1e12];

let target: Target;
let client: ApiClient;
let before: Record<string, string>;

beforeAll(async () => {
  target = await startTarget();
  client = target.client;
  before = await target.contents();
});

afterAll(() => target?.stop());

describe('PUT /v1/vendors/{vendorId}', () => {
  const rows: [field: string, values: unknown[]][] = [
    ['name', [...NOT_A_NAME, undefined]],
    ['kind', ['telepathy', 'REST', '', 1, null, undefined, ['rest']]],
    ['enabled', ['true', 1, 0, null, []]],
    ['syncIntervalMs', [...NOT_A_COUNT, 0, 9, 86_400_001]],
    ['maxConcurrentOrders', [...NOT_A_COUNT, 0, 65, null]],
    ['fullSyncIntervalMs', [...NOT_A_COUNT, 0, 9, 2_147_483_648]],
    ['feedMaxAgeMs', [...NOT_A_COUNT, -1, 2_147_483_648]],
    ['clockMarginMs', [...NOT_A_COUNT, 3_600_001, null]],
    ['consistencyLagMs', [...NOT_A_COUNT, 2_147_483_648, null]],
    ['deliveryAttemptsMax', [...NOT_A_COUNT, 0, 1001]],
    ['productsMax', [...NOT_A_COUNT, 0, 20_000_001, null]],
    [
      'credentialEnv',
      [
        'PATH',
        'VENDOR_TOKEN_',
        'VENDOR_TOKEN_a',
        'VENDOR_TOKEN_A\n',
        `VENDOR_TOKEN_${'A'.repeat(61)}`,
        '',
        1,
        ['VENDOR_TOKEN_A'],
      ],
    ],
    [
      'baseUrl',
      [
        'http://user@host/',
        'http://user:password@host/',
        'http://host/?a=1',
        'http://host/?',
        'http://host/#top',
        'http://host/#',
        'ftp://host/',
        'file:///etc/passwd',
        'javascript:alert(1)',
        'http://',
        'http:///path',
        'https://',
        'http:host',
        '//host',
        'host',
        '/path',
        'http://a b/',
        ' http://host/',
        'http://host/ ',
        'http://host\n/',
        'http://host:99999/',
        'http://host:x/',
        'http://[::1',
        'http://host\\path',
        `http://host/${'x'.repeat(2000)}`,
        '',
        1,
        null,
        undefined,
        {},
        ['http://host/'],
      ],
    ],
    // Not of this release, or not for a client to say.
    ...['staleStock', 'vendorId', 'paused', 'breaker'].map((field): [string, unknown[]] => [field, [null, 1]]),
  ];

  it.each(rows.flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    'refuses the %s %j',
    async (field, value) => {
      expectProblem(await client.put('/v1/vendors/acme', { ...vendor, [field]: value }), '400 VALIDATION_FAILED', [
        field,
      ]);
    },
  );

  it.each(['a', 'A', '1a', '-a', 'a_b', 'a.b', 'a%20b', 'a%0a', 'a%00', 'a%2Fb', '%E2%82%AC', 'a'.repeat(33), '%00'])(
    'refuses the vendorId %s',
    async (vendorId) =>
      expectProblem(await client.put(`/v1/vendors/${vendorId}`, vendor), '400 VALIDATION_FAILED', ['vendorId']),
  );

  it('names every field at fault', async () => {
    const body = { ...vendor, name: '', baseUrl: 'host', enabled: null, surprise: 1 };
    expectProblem(await client.put('/v1/vendors/acme', body), '400 VALIDATION_FAILED', [
      'surprise',
      'name',
      'baseUrl',
      'enabled',
    ]);
  });
});

describe.each(['accept', 'reject'])('POST /v1/vendors/{vendorId}/syncs/{syncRunId}/%s', (decision) => {
  const path = `/v1/vendors/acme/syncs/01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d/${decision}`;

  it.each(['', ' ', 'x'.repeat(1001), 'a\nb', 'a\0b', '\ud800', 1, true, null, [], {}, undefined])(
    'refuses the note %j',
    async (note) => expectProblem(await client.post(path, { note }), '400 VALIDATION_FAILED', ['note']),
  );

  it('refuses what it does not know', async () => {
    expectProblem(await client.post(path, { note: 'Yes.', force: true }), '400 VALIDATION_FAILED', ['force']);
  });
});

describe.each(['replay', 'dismiss'])('POST /v1/dead-letters/%s', (what) => {
  const rows: [field: string, values: unknown[]][] = [
    ['vendorId', ['', 'A', 'a b', 'a\0', 1, null, [], ['acme'], {}]],
    [
      'before',
      ['yesterday', '2030-01-31', '2030-02-31T12:00:00Z', '', 1_900_000_000, null, {}, ['2030-01-31T12:00:00Z']],
    ],
    ['dryRun', ['true', 'false', 0, 1, null, [], {}]],
    // Not a filter of this release.
    ['status', ['open']],
    ['orderId', ['01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d']],
  ];

  it.each(rows.flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    'refuses the %s %j',
    async (field, value) => {
      const body = { dryRun: true, [field]: value };
      expectProblem(await client.post(`/v1/dead-letters/${what}`, body), '400 VALIDATION_FAILED', [field]);
    },
  );
});

describe.each(['replay', 'dismiss'])('POST /v1/dead-letters/{deadLetterId}/%s', (what) => {
  const path = `/v1/dead-letters/01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d/${what}`;

  it.each(['{"dryRun":true}', '{"surprise":1}', '["dryRun"]', 'null', '1', '"dryRun"'])(
    'refuses the body %s: nobody who asks for a dry run is given more',
    async (body) => expectProblem(await client.post(path, body), '400 VALIDATION_FAILED', ['body']),
  );

  it.each(['{}', ''])('takes the empty body %j', async (body) => {
    expectProblem(await client.post(path, body), '404 DEAD_LETTER_NOT_FOUND');
  });
});

describe('POST /v1/reconciliation/runs', () => {
  const rows: [field: string, values: unknown[]][] = [
    ['vendorId', ['', 'A', 'a b', 'a\0', 1, null, [], ['acme'], {}]],
    ['dryRun', ['true', 'false', 0, 1, null, [], {}]],
    // Not for a client to say.
    ['trigger', ['schedule']],
    ['requestedBy', ['me']],
  ];

  it.each(rows.flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    'refuses the %s %j',
    async (field, value) => {
      const body = { dryRun: true, [field]: value };
      expectProblem(await client.post('/v1/reconciliation/runs', body), '400 VALIDATION_FAILED', [field]);
    },
  );

  it('knows the vendor it is to be with', async () => {
    expectProblem(await client.post('/v1/reconciliation/runs', { vendorId: 'nobody' }), '404 VENDOR_NOT_FOUND');
  });
});

describe('POST /v1/reconciliation/cases/{caseId}/resolve', () => {
  const path = '/v1/reconciliation/cases/01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d/resolve';
  const good = { resolution: 'dismiss', note: 'Yes.' };

  it.each(['', 'gone', 'DISMISS', 'dismiss ', '__proto__', 'constructor', 1, true, null, ['dismiss'], {}, undefined])(
    'refuses the resolution %j',
    async (resolution) =>
      expectProblem(await client.post(path, { ...good, resolution }), '400 VALIDATION_FAILED', ['resolution']),
  );

  it.each(['', ' ', 'x'.repeat(1001), 'a\nb', 'a\0b', '\ud800', 1, true, null, [], {}, undefined])(
    'refuses the note %j',
    async (note) => expectProblem(await client.post(path, { ...good, note }), '400 VALIDATION_FAILED', ['note']),
  );

  it.each(['actor', 'status', 'evidence'])('refuses to be told the %s', async (field) => {
    expectProblem(await client.post(path, { ...good, [field]: 'me' }), '400 VALIDATION_FAILED', [field]);
  });
});

describe('POST /v1/api-keys', () => {
  const rows: [field: string, values: unknown[]][] = [
    ['name', [...NOT_A_NAME, undefined]],
    ['client', NOT_A_NAME.filter((value) => value !== null)],
    [
      'scopes',
      [
        [],
        ['root'],
        ['ops', 'root'],
        ['OPS'],
        [1],
        [null],
        ['ops', 'ops', 'ops', 'ops', 'ops'],
        ['__proto__'],
        'ops',
        { 0: 'ops' },
        null,
        undefined,
      ],
    ],
    [
      'expiresAt',
      [
        'tomorrow',
        '2030-01-31',
        '2030-01-31T12:00:00',
        '2030-02-31T12:00:00Z',
        '2030-13-01T12:00:00Z',
        '2030-01-01T12:00:60Z',
        '2030-01-01T12:00:00+24:00',
        '2030-01-01T12:00:00+16:00',
        '2020-01-31T12:00:00Z',
        '0000-01-01T00:00:00Z',
        '9999-12-31T23:59:59-01:00',
        '+012030-01-01T12:00:00Z',
        'infinity',
        '',
        1_900_000_000,
        {},
        [],
      ],
    ],
    ['key', ['hf_mine']],
    ['apiKeyId', ['01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d']],
  ];

  it.each(rows.flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    'refuses the %s %j',
    async (field, value) => {
      expectProblem(await client.post('/v1/api-keys', { ...key, [field]: value }), '400 VALIDATION_FAILED', [field]);
    },
  );

  it('refuses a list in the list of scopes', async () => {
    expectProblem(await client.post('/v1/api-keys', { ...key, scopes: [['ops']] }), '400 VALIDATION_FAILED', [
      'scopes[0]',
    ]);
  });
});

it('stored nothing of all that, and logged no error', async () => {
  expect(await target.contents()).toEqual(before);
  expect(target.errorsLogged()).toEqual([]);
  expect(target.api.running()).toBe(true);
});
