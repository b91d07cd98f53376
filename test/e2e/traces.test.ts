import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { traceIdOf } from '../../src/observability/spans';
import { ApiClient, type Json } from '../support/client';
import { Collector, type CollectedSpan, treeOf } from '../support/collector';
import { createDatabase, type TestDatabase } from '../support/database';
import { type AppProcess, errorLines, freePort, startProcess } from '../support/processes';
import { randomPrefix, removePrefix } from '../support/rabbitmq';
import { type ScriptedAnswer, ScriptedVendor } from '../support/scripted-vendor';
import { at } from '../support/time';
import { waitFor } from '../support/wait';

const ADMIN_API_KEY = `test-${randomBytes(16).toString('hex')}`;
const IMPATIENT = { RETRY_DELAY_MS_BASE: '50', RETRY_DELAY_MS_MAX: '200', DELIVERY_AGE_MAX_MS: '1000' };
const ORDER = { productId: 'acme:A', quantity: 1 };
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const CALLER_ID = 'b7ad6b7169203331';
const ACCEPTED = { status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } };
const IN_BOOKS = { status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } };
/** What goes on beside an order in every installation. */
const OF_OTHERS = ['sync acme', 'PUT /v1/vendors/:vendorId', 'GET /v1/products/:productId'];
/** Names, at its end, the packages of OpenTelemetry that a process has loaded. */
const TELL_MODULES = String.raw`process.on('exit', () => {
  const names = Object.keys(require.cache).map((file) => /@opentelemetry[/\\]([^/\\]+)/.exec(file)?.[1]).filter(Boolean);
  console.log('LOADED ' + JSON.stringify([...new Set(names)]));
});`;
const rabbitmqUrl = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const prefix = randomPrefix();

let database: TestDatabase;
let collector: Collector;
let vendor: ScriptedVendor;
let apps: AppProcess[];
/** Of the purchases and look-ups that the vendor was sent. */
let vendorHeaders: Json[];

async function setUp(env: Record<string, string>, modes: Modes): Promise<ApiClient> {
  const common = { DATABASE_URL: database.url, ADMIN_API_KEY, LOG_LEVEL: 'info', ...IMPATIENT, ...env };
  for (const mode of modes) {
    const port = { [mode === 'worker' ? 'WORKER_PORT' : 'PORT']: String(await freePort()) };
    apps.push(await startProcess(mode, { ...common, ...port }));
  }
  const client = new ApiClient(apps[0]!.url, ADMIN_API_KEY);
  const registration = { name: 'Acme', kind: 'rest', baseUrl: vendor.baseUrl, syncIntervalMs: 60_000 };
  await waitFor(async () => (await client.put('/v1/vendors/acme', registration)).status < 300, {
    withinMs: 20_000,
    what: () => `the vendor to be registered; printed:\n${printed()}`,
  });
  await waitFor(async () => (await client.get('/v1/products/acme:A')).status === 200, {
    withinMs: 20_000,
    what: () => `the stock of the vendor; printed:\n${printed()}`,
  });
  return client;
}

const printed = () => apps.map((app) => app.output()).join('\n');
const logged = (): Json[] =>
  printed()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

/** Answers in turn, the last one again and again, and keeps what it was sent. */
function inTurn(...answers: ScriptedAnswer[]): ScriptedVendor['onPurchase'] {
  return ({ headers }) => {
    vendorHeaders.push(headers);
    return answers.length > 1 ? answers.shift()! : answers[0]!;
  };
}

async function open(): Promise<void> {
  apps = [];
  vendorHeaders = [];
  database = await createDatabase();
  collector = await Collector.listen();
  vendor = await ScriptedVendor.listen();
  vendor.lists(at(-60), { A: 1000 });
  vendor.onPurchase = inTurn(ACCEPTED);
}

async function close(): Promise<void> {
  await Promise.all(apps.map((app) => app.stop()));
  await vendor.close();
  await collector.close();
  await database.drop();
}

type Modes = ['api', 'worker'] | ['all'];

const transports: [name: string, modes: Modes, env: Record<string, string> | undefined][] = [
  ['the embedded transport', ['api', 'worker'], {}],
  ['the embedded transport in one process', ['all'], {}],
  [
    'RabbitMQ',
    ['api', 'worker'],
    rabbitmqUrl === undefined ? undefined : { RABBITMQ_URL: rabbitmqUrl, RABBITMQ_PREFIX: prefix },
  ],
];

describe.each(transports)('an order, over %s', (_, modes, env) => {
  const tests = env === undefined ? describe.skip : describe;
  const [queue, publish] = env?.['RABBITMQ_URL']
    ? [`${prefix}.orders.acme`, [`  publish ${prefix}.orders.acme`]]
    : ['outbox', []];
  /** What dealing with one message looks like in a trace. */
  const attempt = (call: string): string[] => [
    ...publish,
    `  process ${queue}`,
    `    ${call} acme`,
    '    record outcome',
  ];

  tests('whose processes are traced', () => {
    let client: ApiClient;
    let traceId: string;
    /** Of the orders of all tests, which share the processes. */
    const traceIds = new Set<string>();
    let orderId: string;

    beforeAll(async () => {
      await open();
      client = await setUp({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/` }, modes);
    });

    beforeEach(() => {
      traceId = randomBytes(16).toString('hex');
      traceIds.add(traceId);
      vendorHeaders = [];
      vendor.onPurchase = inTurn(ACCEPTED);
    });

    afterAll(async () => {
      await close();
      if (env?.['RABBITMQ_URL']) await removePrefix(env['RABBITMQ_URL'], prefix, ['acme']);
    });

    async function place(): Promise<void> {
      const { status, body } = await client.post('/v1/orders', ORDER, {
        traceparent: `00-${traceId}-${CALLER_ID}-01`,
      });
      expect(status).toBe(201);
      orderId = body.orderId;
    }

    const spans = () => collector.of(traceId);
    const named = (name: string): CollectedSpan[] => spans().filter((span) => span.name === name);
    const spansCome = (condition: () => boolean): Promise<void> =>
      waitFor(condition, {
        withinMs: 20_000,
        what: () => `spans; there are\n${treeOf(spans()).join('\n')}\n${printed()}`,
      });

    it('is one trace, from the caller of the API to the vendor, and its log lines name it', async () => {
      await place();
      const story = ['POST /v1/orders', ...attempt('purchase')];
      await spansCome(() => spans().length >= story.length);
      expect(treeOf(spans())).toEqual(story);
      expect(spans().map(({ failed }) => failed)).toEqual(story.map(() => false));
      const [request] = named('POST /v1/orders');
      expect(request).toMatchObject({
        parentSpanId: CALLER_ID,
        kind: 2,
        attributes: { 'http.route': '/v1/orders', 'http.response.status_code': 201, 'holdfast.order.id': orderId },
        events: ['commit'],
        resource: { 'service.name': 'holdfast', 'holdfast.mode': modes[0] },
      });
      expect(named(`process ${queue}`)[0]).toMatchObject({
        kind: 5,
        attributes: {
          'holdfast.order.id': orderId,
          'holdfast.vendor.id': 'acme',
          'messaging.operation.type': 'process',
        },
        resource: { 'holdfast.mode': modes.at(-1) },
      });
      const [call] = named('purchase acme');
      expect(call).toMatchObject({ kind: 3, attributes: { 'holdfast.vendor.outcome': 'accepted' } });
      expect(vendorHeaders.map(({ traceparent }) => traceparent)).toEqual([`00-${traceId}-${call!.spanId}-01`]);

      const about = { orderId, traceId };
      expect(logged()).toContainEqual(expect.objectContaining({ ...about, msg: 'POST /v1/orders 201' }));
      const sent = { ...about, vendorId: 'acme', messageId: expect.any(String), msg: 'Sent' };
      expect(logged()).toContainEqual(expect.objectContaining(sent));
    });

    it('stays in its trace when the vendor fails it at first', async () => {
      vendor.onPurchase = inTurn({ status: 503 });
      vendor.onLookUp = inTurn({ status: 503 }, IN_BOOKS);
      await place();
      const story = ['POST /v1/orders', ...attempt('purchase'), ...attempt('lookUp'), ...attempt('lookUp')];
      await spansCome(() => spans().length >= story.length);
      expect(treeOf(spans())).toEqual(story);
      expect(named('purchase acme')[0]).toMatchObject({
        failed: true,
        attributes: { 'holdfast.vendor.outcome': 'unknown' },
      });
      expect(named('lookUp acme').map(({ failed }) => failed)).toEqual([true, false]);
      expect(new Set(vendorHeaders.map(({ traceparent }) => traceIdOf(traceparent)))).toEqual(new Set([traceId]));
    });

    it('stays in its trace when an operator has it tried again', async () => {
      vendor.onPurchase = inTurn({ status: 503 });
      vendor.onLookUp = inTurn({ status: 503 });
      await place();
      const letters = async () => (await client.get('/v1/dead-letters?status=open')).body.items;
      await waitFor(async () => (await letters()).length === 1, { withinMs: 20_000, what: 'the dead letter' });
      vendor.onLookUp = inTurn(IN_BOOKS);
      const [{ deadLetterId }] = await letters();
      expect((await client.call('POST', `/v1/dead-letters/${deadLetterId}/replay`)).status).toBe(202);
      const accepted = () =>
        named('lookUp acme').some(({ attributes }) => attributes['holdfast.vendor.outcome'] === 'accepted');
      await spansCome(accepted);
      await spansCome(() => treeOf(spans()).at(-1) === '    record outcome');
      const about = collector.spans.filter(({ attributes }) => attributes['holdfast.order.id'] === orderId);
      expect(new Set(about.map(({ traceId }) => traceId))).toEqual(new Set([traceId]));
      // However many look-ups there were, each stands below the request, not below the one before it.
      const parents = new Set(named(`process ${queue}`).map(({ parentSpanId }) => parentSpanId));
      expect(parents).toEqual(new Set([named('POST /v1/orders')[0]!.spanId]));
    });

    it('has nothing to do with the traces of its vendor’s polls and of other requests', async () => {
      await place();
      await spansCome(() => named('record outcome').length === 1);
      const others = collector.spans.filter((span) => !traceIds.has(span.traceId));
      expect(others.map(({ name }) => name)).toEqual(expect.arrayContaining(OF_OTHERS));
      expect(others.filter(({ parentSpanId }) => parentSpanId !== '')).toEqual([]);
      expect(others.filter(({ name }) => name.includes('health'))).toEqual([]);
      expect(others.find(({ name }) => name === 'sync acme')).toMatchObject({
        attributes: { 'holdfast.vendor.id': 'acme', 'holdfast.sync.status': 'succeeded' },
      });
    });
  });
});

describe('without a collector', () => {
  let folder: string;
  let preloaded: string;

  beforeEach(open);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-traces-'));
    preloaded = join(folder, 'tell.cjs');
    writeFileSync(preloaded, TELL_MODULES);
  });

  afterEach(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });

  const loadedPackages = (): string[] => JSON.parse(/^LOADED (.*)$/m.exec(printed())![1]!) as string[];

  it('nothing of the tracing SDK is loaded, the vendor is told of no trace, and the log still names the caller’s', async () => {
    const client = await setUp({ NODE_OPTIONS: `--require ${preloaded}` }, ['all']);
    const { body } = await client.post('/v1/orders', ORDER, { traceparent: `00-${TRACE_ID}-${CALLER_ID}-01` });
    await waitFor(() => logged().some(({ msg }) => msg === 'Sent'), { withinMs: 10_000, what: 'the purchase' });
    expect(vendorHeaders.map(({ traceparent }) => traceparent)).toEqual([undefined]);
    const about = { orderId: body.orderId, traceId: TRACE_ID };
    await waitFor(() => logged().some(({ msg }) => msg === 'POST /v1/orders 201'), {
      withinMs: 5000,
      what: 'the line',
    });
    expect(logged()).toContainEqual(expect.objectContaining({ ...about, msg: 'POST /v1/orders 201' }));
    expect(logged()).toContainEqual(expect.objectContaining({ ...about, vendorId: 'acme', msg: 'Sent' }));
    expect(await apps[0]!.stop()).toBe(0);
    expect(loadedPackages()).toEqual(['api']);
  });

  it('and with one it is loaded, so that the above would be seen', async () => {
    await setUp({ NODE_OPTIONS: `--require ${preloaded}`, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, ['all']);
    expect(await apps[0]!.stop()).toBe(0);
    expect(loadedPackages()).toEqual(expect.arrayContaining(['api', 'core', 'sdk-trace', 'exporter-trace-otlp-http']));
  });
});

describe.each([
  ['is away', 'away'],
  ['refuses everything', 400],
  ['never answers', 'hang'],
] as const)('a collector that %s', (_, answers) => {
  beforeEach(open);
  afterEach(close);

  it('harms no order, and keeps nobody from stopping', async () => {
    collector.answers = answers;
    const client = await setUp({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, ['all']);
    const { status, body } = await client.post('/v1/orders', ORDER);
    expect(status).toBe(201);
    await waitFor(async () => (await client.get(`/v1/orders/${body.orderId}`)).body.status === 'completed', {
      withinMs: 10_000,
      what: 'the order to complete',
    });
    await waitFor(() => collector.headers.length > 0, { withinMs: 10_000, what: 'the first spans to be sent' });
    expect(await apps[0]!.stop()).toBe(0);
    expect(errorLines(printed())).toEqual([]);
  });
});
