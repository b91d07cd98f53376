import { newId } from '../../src/database/new-id';
import { ApiClient, type Json } from '../support/client';
import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install } from '../support/installation';
import { exampleOf, mismatches, resolved, type Schema } from '../support/schema';
import { waitFor } from '../support/wait';

/** Names of operations are for ever: clients are generated from them. */
const OPERATIONS: Record<string, string> = {
  getLiveness: 'GET /health/live',
  getReadiness: 'GET /health/ready',
  getMetrics: 'GET /metrics',
  createApiKey: 'POST /v1/api-keys',
  listApiKeys: 'GET /v1/api-keys',
  revokeApiKey: 'DELETE /v1/api-keys/{apiKeyId}',
  placeOrder: 'POST /v1/orders',
  listOrders: 'GET /v1/orders',
  getOrder: 'GET /v1/orders/{orderId}',
  listOrderEvents: 'GET /v1/orders/{orderId}/events',
  cancelOrder: 'POST /v1/orders/{orderId}/cancel',
  checkOut: 'POST /v1/checkouts',
  getCheckout: 'GET /v1/checkouts/{checkoutId}',
  listProducts: 'GET /v1/products',
  getProduct: 'GET /v1/products/{productId}',
  listVendors: 'GET /v1/vendors',
  getVendor: 'GET /v1/vendors/{vendorId}',
  putVendor: 'PUT /v1/vendors/{vendorId}',
  pauseVendor: 'POST /v1/vendors/{vendorId}/pause',
  resumeVendor: 'POST /v1/vendors/{vendorId}/resume',
  requestSync: 'POST /v1/vendors/{vendorId}/sync',
  listSyncs: 'GET /v1/vendors/{vendorId}/syncs',
  acceptSync: 'POST /v1/vendors/{vendorId}/syncs/{syncRunId}/accept',
  rejectSync: 'POST /v1/vendors/{vendorId}/syncs/{syncRunId}/reject',
  getQueues: 'GET /v1/queues',
  listDeadLetters: 'GET /v1/dead-letters',
  getDeadLetter: 'GET /v1/dead-letters/{deadLetterId}',
  replayDeadLetter: 'POST /v1/dead-letters/{deadLetterId}/replay',
  replayDeadLetters: 'POST /v1/dead-letters/replay',
  dismissDeadLetter: 'POST /v1/dead-letters/{deadLetterId}/dismiss',
  dismissDeadLetters: 'POST /v1/dead-letters/dismiss',
  startReconciliation: 'POST /v1/reconciliation/runs',
  listReconciliations: 'GET /v1/reconciliation/runs',
  getReconciliation: 'GET /v1/reconciliation/runs/{reconciliationRunId}',
  listCases: 'GET /v1/reconciliation/cases',
  getCase: 'GET /v1/reconciliation/cases/{caseId}',
  resolveCase: 'POST /v1/reconciliation/cases/{caseId}/resolve',
  getConsistency: 'GET /v1/consistency',
};

const NO_ID = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';

/** The promised codes, by status. */
const CODES: Record<string, string[]> = {
  400: ['MALFORMED_JSON', 'VALIDATION_FAILED', 'INVALID_CURSOR'],
  401: ['UNAUTHENTICATED'],
  403: ['INSUFFICIENT_SCOPE'],
  404: [
    'ROUTE_NOT_FOUND',
    'ORDER_NOT_FOUND',
    'CHECKOUT_NOT_FOUND',
    'PRODUCT_NOT_FOUND',
    'VENDOR_NOT_FOUND',
    'SYNC_RUN_NOT_FOUND',
    'DEAD_LETTER_NOT_FOUND',
    'RECONCILIATION_RUN_NOT_FOUND',
    'CASE_NOT_FOUND',
    'API_KEY_NOT_FOUND',
  ],
  405: ['METHOD_NOT_ALLOWED'],
  409: [
    'INSUFFICIENT_STOCK',
    'STOCK_STALE',
    'VENDOR_DISABLED',
    'ORDER_NOT_CANCELLABLE',
    'SYNC_NOT_HELD',
    'SYNC_SUPERSEDED',
    'DEAD_LETTER_NOT_DISMISSABLE',
    'DEAD_LETTER_NOT_REPLAYABLE',
    'CASE_NOT_OPEN',
    'CASE_OUTDATED',
    'IDEMPOTENCY_IN_PROGRESS',
  ],
  413: ['BODY_TOO_LARGE'],
  414: ['URI_TOO_LONG'],
  415: ['UNSUPPORTED_MEDIA_TYPE'],
  422: ['IDEMPOTENCY_KEY_REUSED'],
  429: ['RATE_LIMITED'],
  500: ['INTERNAL'],
  503: ['OVERLOADED', 'DATABASE_UNAVAILABLE'],
};

let database: TestDatabase;
let installation: Installation;
let client: ApiClient;
let document: Json;
/** By operation id. */
let operations: Record<string, { method: string; path: string; operation: Json }>;

beforeAll(async () => {
  database = await createDatabase();
  installation = await install(database.url, {}, 60_000);
  client = installation.client;
  document = (await new ApiClient(client.url, undefined).get('/docs-json')).body;
  operations = Object.fromEntries(
    Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, operation]) => [
        operation.operationId,
        { method: method.toUpperCase(), path, operation },
      ]),
    ),
  );
});

afterAll(async () => {
  await installation?.stop();
  await database?.drop();
});

const schemaOfBody = ({ requestBody }: Json): Schema =>
  resolved(requestBody.content['application/json'].schema, document.components.schemas);
const secured = () => Object.entries(operations).filter(([, { path }]) => path.startsWith('/v1/'));

it('every operation has its own stable name', () => {
  const named = Object.entries(operations).map(([name, { method, path }]) => [name, `${method} ${path}`]);
  expect(Object.fromEntries(named)).toEqual(OPERATIONS);
});

it('numbers are whole, but for those that are measured', () => {
  const { OrderDto, ProductDto, QueueDto, VendorDto } = document.components.schemas;
  expect([OrderDto.properties.quantity.type, ProductDto.properties.stockQuantity.type]).toEqual(['integer', 'integer']);
  expect([QueueDto.properties.oldestSeconds.type, VendorDto.properties.stockAgeSeconds.type]).toEqual([
    'number',
    'number',
  ]);
  const { parameters } = operations['listOrders']!.operation as { parameters: { name: string; schema: Json }[] };
  expect(parameters.find(({ name }) => name === 'limit')?.schema.type).toBe('integer');
});

it('the documented methods of a path are those that exist', async () => {
  for (const path of Object.keys(document.paths)) {
    const refused = await client.call('OPTIONS', path.replace(/\{\w+\}/g, 'x'));
    const allowed = refused.headers
      .get('allow')
      ?.split(', ')
      .filter((method) => method !== 'HEAD');
    // An address may be one of another path too: of a dead letter whose id is "replay".
    const documented = Object.entries<object>(document.paths)
      .filter(([template]) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path))
      .flatMap(([, methods]) => Object.keys(methods));
    expect([path, allowed?.toSorted()]).toEqual([
      path,
      [...new Set(documented)].map((method) => method.toUpperCase()).toSorted(),
    ]);
  }
});

it('everything under /v1 asks for the bearer key, and nothing else does', () => {
  expect(document.components.securitySchemes.apiKey).toMatchObject({ type: 'http', scheme: 'bearer' });
  for (const { path, operation } of Object.values(operations)) {
    expect([path, operation.security]).toEqual([path, path.startsWith('/v1/') ? [{ apiKey: [] }] : undefined]);
  }
});

it('every error is documented as problem+json, with the promised codes under their status', () => {
  for (const [name, { operation }] of secured()) {
    for (const [status, { content }] of Object.entries<Json>(operation.responses).filter(
      ([code]) => Number(code) >= 400,
    )) {
      expect([name, status, Object.keys(content)]).toEqual([name, status, ['application/problem+json']]);
      const { schema, examples } = content['application/problem+json'];
      expect(schema.$ref).toMatch(/Problem/);
      expect(Object.keys(examples).length).toBeGreaterThan(0);
      for (const [code, { value }] of Object.entries<Json>(examples)) {
        expect(CODES[status]).toContain(code);
        expect(mismatches(schema, value, document.components.schemas)).toEqual([]);
        expect(value).toMatchObject({ code, status: Number(status) });
      }
    }
  }
});

it('every operation documents what it can be answered with', () => {
  for (const [name, { method, path, operation }] of secured()) {
    const expected = [401, 403, 500, 503];
    if (operation.requestBody) expected.push(400, 413, 415);
    if ((operation.parameters as { in: string }[]).some((parameter) => parameter.in === 'query')) expected.push(400);
    if (path.includes('{')) expected.push(400, 414);
    if (path.includes('{') && method !== 'PUT') expected.push(404);
    const missing = expected.filter((status) => !(String(status) in operation.responses));
    expect([name, missing]).toEqual([name, []]);
  }
});

it('what may be left out is documented as optional', async () => {
  for (const [name, { operation }] of secured()) {
    for (const parameter of operation.parameters as Json[]) {
      expect([name, parameter.name, parameter.required]).toEqual([name, parameter.name, parameter.in === 'path']);
    }
  }
  const required = Object.values(operations)
    .filter(({ operation }) => operation.requestBody)
    .map(({ operation }) => [operation.operationId, schemaOfBody(operation).required]);
  expect(Object.fromEntries(required)).toEqual({
    acceptSync: ['note'],
    checkOut: ['lines'],
    createApiKey: ['name', 'scopes'],
    placeOrder: ['productId', 'quantity'],
    putVendor: ['name', 'kind', 'baseUrl'],
    rejectSync: ['note'],
    replayDeadLetters: undefined,
    resolveCase: ['resolution', 'note'],
    startReconciliation: undefined,
  });
});

it('the example of every request body is one that the API reads', async () => {
  const answers: Record<string, string> = {};
  for (const [name, { method, path, operation }] of secured()) {
    if (!operation.requestBody) continue;
    const example = exampleOf(schemaOfBody(operation), document.components.schemas);
    const { status, body } = await client.call(
      method,
      path.replace('{vendorId}', name === 'putVendor' ? 'example' : 'acme').replace(/\{(syncRunId|caseId)\}/, NO_ID),
      example,
    );
    answers[name] = `${status} ${body.code}`;
  }
  expect(answers).toEqual({
    acceptSync: '404 SYNC_RUN_NOT_FOUND',
    checkOut: '404 PRODUCT_NOT_FOUND',
    createApiKey: '201 undefined',
    placeOrder: '404 PRODUCT_NOT_FOUND',
    putVendor: '201 undefined',
    rejectSync: '404 SYNC_RUN_NOT_FOUND',
    dismissDeadLetters: '200 undefined',
    replayDeadLetters: '202 undefined',
    resolveCase: '404 CASE_NOT_FOUND',
    startReconciliation: '404 VENDOR_NOT_FOUND',
  });
});

it('every real answer has exactly the documented fields and types', async () => {
  const placed = await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 });
  const { orderId } = placed.body;
  const lines = [
    { productId: 'acme:A-2', quantity: 1 },
    { productId: 'acme:A-3', quantity: 2 },
  ];
  const { checkoutId } = (await client.post('/v1/checkouts', { lines })).body;
  const key = { name: 'mine', scopes: ['ops'], client: 'me', expiresAt: '2999-01-01T00:00:00Z' };
  const { apiKeyId } = (await client.post('/v1/api-keys', key)).body;
  await completed(installation, 3, 10_000);
  await installation.vendor.faults({ outage: {} });
  const undecided = (await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 })).body.orderId;
  const deadLetterId = await deadLetter(orderId);
  const { caseId, reconciliationRunId } = await reconciled();
  const vendor = { name: 'Other', kind: 'rest', baseUrl: 'http://127.0.0.1:9', enabled: false };
  const requests: [name: string, path: string, body?: unknown][] = [
    ['placeOrder', '/v1/orders', { productId: 'acme:A-1', quantity: 1 }],
    ['checkOut', '/v1/checkouts', { lines: [{ productId: 'acme:A-2', quantity: 1 }] }],
    ['getCheckout', `/v1/checkouts/${checkoutId}`],
    ['getOrder', `/v1/orders/${orderId}`],
    ['listOrders', '/v1/orders?limit=1'],
    ['listOrderEvents', `/v1/orders/${orderId}/events`],
    ['cancelOrder', `/v1/orders/${undecided}/cancel`],
    ['getProduct', '/v1/products/acme:A-1'],
    ['listProducts', '/v1/products?limit=2'],
    ['putVendor', '/v1/vendors/other', vendor],
    ['putVendor', '/v1/vendors/other', vendor],
    ['getVendor', '/v1/vendors/acme'],
    ['listVendors', '/v1/vendors'],
    ['pauseVendor', '/v1/vendors/acme/pause'],
    ['resumeVendor', '/v1/vendors/acme/resume'],
    ['requestSync', '/v1/vendors/acme/sync'],
    ['listSyncs', '/v1/vendors/acme/syncs?limit=2'],
    ['rejectSync', '/v1/vendors/other/syncs/HELD/reject', { note: 'No.' }],
    ['acceptSync', '/v1/vendors/other/syncs/HELD/accept', { note: 'Yes.' }],
    ['getQueues', '/v1/queues'],
    ['listDeadLetters', '/v1/dead-letters'],
    ['getDeadLetter', `/v1/dead-letters/${deadLetterId}`],
    ['replayDeadLetter', `/v1/dead-letters/${deadLetterId}/replay`],
    ['replayDeadLetters', '/v1/dead-letters/replay', { dryRun: true }],
    ['dismissDeadLetter', `/v1/dead-letters/${deadLetterId}/dismiss`],
    ['dismissDeadLetters', '/v1/dead-letters/dismiss', { dryRun: true }],
    ['startReconciliation', '/v1/reconciliation/runs', { vendorId: 'acme', dryRun: true }],
    ['listReconciliations', '/v1/reconciliation/runs'],
    ['getReconciliation', `/v1/reconciliation/runs/${reconciliationRunId}`],
    ['listCases', '/v1/reconciliation/cases'],
    ['getCase', `/v1/reconciliation/cases/${caseId}`],
    ['getConsistency', '/v1/consistency?fresh=true'],
    ['resolveCase', `/v1/reconciliation/cases/${caseId}/resolve`, { resolution: 'recount', note: 'It is so.' }],
    ['createApiKey', '/v1/api-keys', key],
    ['listApiKeys', '/v1/api-keys'],
    ['getLiveness', '/health/live'],
    ['getReadiness', '/health/ready'],
    ['revokeApiKey', `/v1/api-keys/${apiKeyId}`],
  ];
  // What it answers is no JSON; test/e2e/metrics.test.ts reads it.
  const { getMetrics: _, ...inJson } = OPERATIONS;
  expect(new Set(requests.map(([name]) => name))).toEqual(new Set(Object.keys(inJson)));
  for (const [name, path, body] of requests) {
    const { method, operation } = operations[name]!;
    const held = path.includes('HELD') ? await heldRun() : '';
    const answer = await client.call(method, path.replace('HELD', held), body);
    const documented = operation.responses[answer.status];
    expect([name, answer.status, documented !== undefined]).toEqual([name, answer.status, true]);
    const schema = documented.content?.['application/json']?.schema;
    expect([name, schema ? mismatches(schema, answer.body, document.components.schemas) : answer.body]).toEqual([
      name,
      schema ? [] : undefined,
    ]);
  }
});

/** A vendor's run that waits for a decision: of an empty listing. */
async function heldRun(): Promise<string> {
  const id = newId();
  const table = `stock_staging_${id.replaceAll('-', '')}`;
  await database.dataSource.query(
    `INSERT INTO stock_sync_runs
       (sync_run_id, vendor_id, trigger, kind, status, held_for, as_of, polled_at, staged, finished_at)
     VALUES ('${id}', 'other', 'schedule', 'full', 'held', 'EMPTY', now(), now(), 0, now())`,
  );
  await database.dataSource.query(
    `CREATE TABLE ${table} (position integer, product_id varchar(161), name varchar(500), price numeric(12,2), quantity integer)`,
  );
  return id;
}

/** A run that has ended, and a case it has opened. */
async function reconciled(): Promise<{ caseId: string; reconciliationRunId: string }> {
  await database.dataSource.query(`UPDATE products SET reserved_quantity = 9 WHERE product_id = 'acme:A-9'`);
  const { reconciliationRunId } = (await client.post('/v1/reconciliation/runs', { vendorId: 'acme' })).body;
  const path = `/v1/reconciliation/runs/${reconciliationRunId}`;
  const ended = async () => !['pending', 'running'].includes((await client.get(path)).body.status);
  await waitFor(ended, { withinMs: 20_000, what: 'the reconciliation to end' });
  const { items } = (await client.get('/v1/reconciliation/cases?kind=reservedDiffers')).body;
  return { caseId: items[0].caseId, reconciliationRunId };
}

/** One about an order that was sent. */
async function deadLetter(orderId: string): Promise<string> {
  const id = newId();
  await database.dataSource.query(
    `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload)
     VALUES ('${id}', 'acme', '${orderId}', 'why', '{"orderId": "${orderId}"}')`,
  );
  return id;
}

it('every real problem has exactly the documented fields and types', async () => {
  const { schema } = operations['placeOrder']!.operation.responses['409'].content['application/problem+json'];
  const problems = [
    await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1000 }),
    await client.post('/v1/orders', { productId: 1, quantity: 1.5 }),
    await client.get('/v1/orders?cursor=x'),
    await client.get('/nothing'),
    await new ApiClient(client.url, undefined).get('/v1/orders'),
  ];
  expect(problems.map(({ status }) => status)).toEqual([409, 400, 400, 404, 401]);
  for (const { body } of problems) expect(mismatches(schema, body, document.components.schemas)).toEqual([]);
});
