import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Queues } from '../../src/operations/queues/queue-queries';
import type { Json } from '../support/client';
import { type Finished, run } from '../support/command';
import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install } from '../support/installation';
import { waitFor } from '../support/wait';

const OPS = 'launch/ops.command.js';
const KEYS = 'launch/keys.command.js';
const IMPATIENT = { DELIVERY_AGE_MAX_MS: '1000', RETRY_DELAY_MS_BASE: '100', RETRY_DELAY_MS_MAX: '200' };
const LETTERS = 3;

describe('npm run ops, beside a running installation', () => {
  let database: TestDatabase;
  let installation: Installation;
  let access: Record<string, string>;
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-ops-'));

  beforeAll(async () => {
    database = await createDatabase();
    installation = await install(database.url, IMPATIENT, 60_000);
    access = { HOLDFAST_URL: installation.api.url, HOLDFAST_API_KEY: installation.adminApiKey };
  });

  afterAll(async () => {
    await installation?.stop();
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  const ops = (...args: string[]): Promise<Finished> => run(OPS, args, access);

  /** Answers the JSON of a command that did what it should. */
  async function json(...args: string[]): Promise<Json> {
    const { code, stdout, stderr } = await ops(...args, '--json');
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout);
  }

  async function place(sku: string): Promise<string> {
    const { status, body } = await installation.client.post('/v1/orders', { productId: `acme:${sku}`, quantity: 1 });
    expect(status).toBe(201);
    return body.orderId;
  }

  it('shows vendors as a table, and to scripts as the API does', async () => {
    const { code, stdout } = await ops('vendors');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^VENDOR +KIND +ENABLED .*\nacme +rest +yes +no +closed +closed /);
    expect((await json('vendors', 'list')).items).toMatchObject([{ vendorId: 'acme', kind: 'rest' }]);
    expect(await json('vendors', 'show', 'acme')).toMatchObject({ vendorId: 'acme', name: 'Acme' });
  });

  it('registers and replaces a vendor from a file, and says field by field what is wrong with it', async () => {
    const file = join(folder, 'second.json');
    writeFileSync(
      file,
      JSON.stringify({ name: 'Second', kind: 'rest', baseUrl: 'http://127.0.0.1:9/', enabled: false }),
    );
    expect(await json('vendors', 'put', 'second', '--from', file)).toMatchObject({
      vendorId: 'second',
      enabled: false,
    });
    writeFileSync(file, JSON.stringify({ name: 'Second', kind: 'rest', baseUrl: 'nowhere', speed: 9 }));
    const refused = await ops('vendors', 'put', 'second', '--from', file);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/VALIDATION_FAILED[^]*\n {2}baseUrl: /);
    expect(refused.stderr).toMatch(/\n {2}speed: /);
  });

  it('changes settings of a vendor, leaves the others as they are, and says what is wrong with a change', async () => {
    const settings = {
      ...{ name: 'Third', kind: 'feed', baseUrl: 'http://127.0.0.1:9', enabled: false, syncIntervalMs: 90_000 },
      ...{ fullSyncIntervalMs: 900_000, maxConcurrentOrders: 3, credentialEnv: 'VENDOR_TOKEN_THIRD', clockMarginMs: 7 },
      ...{ feedMaxAgeMs: 60_000, staleStock: { policy: 'buffer', bufferQuantity: 2 }, consistencyLagMs: 11 },
      deliveryAttemptsMax: 5,
    };
    const file = join(folder, 'third.json');
    writeFileSync(file, JSON.stringify(settings));
    await json('vendors', 'put', 'third', '--from', file);
    const changes = ['maxConcurrentOrders=16', 'staleStock.policy=block', 'credentialEnv=null', 'name=Third = last'];
    expect(await json('vendors', 'change', 'third', ...changes)).toMatchObject({
      ...settings,
      ...{ maxConcurrentOrders: 16, staleStock: { policy: 'block', bufferQuantity: 2 } },
      ...{ credentialEnv: null, name: 'Third = last' },
    });
    const refused = await ops('vendors', 'change', 'third', 'enabled=true', 'speed=9', 'staleStock.policy=sometimes');
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/VALIDATION_FAILED[^]*\n {2}speed: /);
    expect(refused.stderr).toMatch(/\n {2}staleStock.policy: /);
    expect(await json('vendors', 'show', 'third')).toMatchObject({ enabled: false, maxConcurrentOrders: 16 });
  });

  it('pauses a vendor, shows what waits for it, cancels an order, and resumes', async () => {
    expect((await ops('vendors', 'pause', 'acme')).stdout).toMatch(/^Acme is paused/);
    const orderId = await place('A-1');
    await waitFor(
      async () => {
        const { vendors }: Queues = await json('queues');
        return vendors.some(({ scheduled, ready }) => scheduled + ready === 1);
      },
      {
        withinMs: 10_000,
        what: 'the order to wait',
      },
    );
    expect((await ops('queues')).stdout).toMatch(/\nacme .* yes\n[^]*Dead letters: 0 open\./);
    expect((await ops('orders', 'cancel', orderId)).stdout).toBe(`${orderId} is cancelled.\n`);
    expect((await ops('vendors', 'resume', 'acme')).stdout).toMatch(/^Acme is dispatched to again/);
    expect(await json('orders', 'show', orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
    const again = await ops('orders', 'cancel', await decided('A-2'));
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/ORDER_NOT_CANCELLABLE/)]);
    expect((await ops('orders', 'events', orderId)).stdout).toMatch(/^AT +TYPE +DETAIL\n[^]*placed[^]*cancel/);
  });

  async function decided(sku: string): Promise<string> {
    const orderId = await place(sku);
    const status = async (): Promise<string> => (await installation.client.get(`/v1/orders/${orderId}`)).body.status;
    await waitFor(async () => (await status()) === 'completed', { withinMs: 20_000, what: 'the order to complete' });
    return orderId;
  }

  it('polls a vendor and waits; a held listing is rejected with a note', async () => {
    const { code, stdout } = await ops('sync', 'acme');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/ \(full\) succeeded: 20 rows seen/)]);
    await installation.vendor.faults({ emptySnapshot: {} });
    const held = await ops('sync', 'start', 'acme', '--json');
    expect(held.code).toBe(4);
    const { syncRunId, status } = JSON.parse(held.stdout);
    expect(status).toBe('held');
    // It finds the same, and what was found still waits.
    const repeated = await ops('sync', 'start', 'acme', '--json');
    expect([repeated.code, JSON.parse(repeated.stdout).status]).toEqual([4, 'superseded']);
    await installation.vendor.faults({});
    expect((await ops('sync', 'list', 'acme')).stdout).toContain(syncRunId);
    const note = ['--note', 'their feed is broken'];
    expect((await ops('sync', 'reject', 'acme', syncRunId, ...note)).stdout).toMatch(/ rejected: /);
    const again = await ops('sync', 'accept', 'acme', syncRunId, ...note);
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/SYNC_NOT_HELD/)]);
  });

  it('lists what was given up, and replays it: dry, one, and the rest', async () => {
    await installation.vendor.faults({ acceptThen500: {}, error5xx: { operation: 'lookup' } });
    for (let n = 0; n < LETTERS; n++) await place('A-3');
    await waitFor(async () => (await json('dead-letters', '--status', 'open')).items.length === LETTERS, {
      withinMs: 30_000,
      what: 'dead letters',
    });
    await installation.vendor.faults({});
    expect((await ops('orders', '--attention')).stdout.split('\n')).toHaveLength(LETTERS + 2);
    const [letter] = (await json('dead-letters', 'list', '--vendor', 'acme')).items;
    expect((await ops('dead-letters', 'show', letter.deadLetterId)).stdout).toMatch(/\nattempts +\[/);
    expect(await json('replay', '--all', '--dry-run')).toEqual({ matched: LETTERS, replayed: LETTERS, dryRun: true });
    expect((await ops('replay', letter.deadLetterId)).stdout).toBe('Its order is on its way again.\n');
    expect((await ops('replay', letter.deadLetterId)).stdout).toMatch(/before; nothing was changed/);
    const rest = { matched: LETTERS - 1, replayed: LETTERS - 1, left: 0, dryRun: false };
    expect(await json('replay', '--vendor', 'acme')).toEqual(rest);
    await completed(installation, LETTERS + 1, 30_000);
    expect((await installation.vendor.accepted()).length).toBe(LETTERS + 1);
  });

  it('counts, compares and mends: a planted difference is found, decided, and gone', async () => {
    const plant = `UPDATE products SET reserved_quantity = reserved_quantity + 2 WHERE product_id = 'acme:A-9'`;
    await database.dataSource.query(plant);
    const violated = await ops('consistency', '--fresh');
    expect([violated.code, violated.stdout]).toEqual([
      4,
      expect.stringMatching(/reservedIsSumOfOpenHolds +acme:A-9 +- +0 +2/),
    ]);

    const foretold = await ops('reconcile', '--vendor', 'acme', '--dry-run');
    expect([foretold.code, foretold.stdout]).toEqual([
      4,
      expect.stringMatching(/ would be opened[^]*reservedDiffers +acme:A-9 +opened/),
    ]);
    expect((await json('cases', 'list', '--kind', 'reservedDiffers')).items).toEqual([]);
    expect((await ops('reconcile', '--vendor', 'acme')).code).toBe(4);
    expect((await ops('reconcile', 'list')).stdout).toMatch(/^RUN .*\n\S+ +acme +manual +no +succeeded/);

    const { items } = await json('cases', '--status', 'open', '--kind', 'reservedDiffers');
    expect(items).toMatchObject([{ kind: 'reservedDiffers', productId: 'acme:A-9' }]);
    const { caseId } = items[0];
    expect((await ops('cases', 'show', caseId)).stdout).toMatch(/\nevidence +\{/);
    const misfit = await ops('cases', 'resolve', caseId, '--resolution', 'resend', '--note', 'try it');
    expect([misfit.code, misfit.stderr]).toEqual([
      1,
      expect.stringMatching(/VALIDATION_FAILED[^]*\n {2}resolution: .*recount/),
    ]);
    const mended = await ops('cases', 'resolve', caseId, '--resolution', 'recount', '--note', 'counted by hand');
    expect([mended.code, mended.stdout]).toEqual([0, `${caseId} is resolved: recount.\n`]);
    expect((await ops('consistency', '--fresh')).stdout).toMatch(/^ok: /);
    expect((await ops('reconcile', '--vendor', 'acme')).code).toBe(0);
  });

  it('does only what its key may, and says so', async () => {
    const args = ['create', '--name', 'reader', '--scopes', 'catalog:read'];
    const reader = (await run(KEYS, args, { DATABASE_URL: database.url })).stdout.split('\n', 1)[0]!;
    const weak = { ...access, HOLDFAST_API_KEY: reader };
    expect((await run(OPS, ['vendors'], weak)).code).toBe(0);
    const denied = await run(OPS, ['vendors', 'pause', 'acme'], weak);
    expect([denied.code, denied.stderr]).toEqual([3, expect.stringMatching(/INSUFFICIENT_SCOPE/)]);
    const unknown = await ops('queues', '--key', 'nobody');
    expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringMatching(/UNAUTHENTICATED/)]);
  });
});

describe('npm run ops, without an installation', () => {
  const env = { HOLDFAST_DATA_DIR: join(tmpdir(), 'holdfast-nowhere') };

  it('asks nothing with a wrong configuration, and shows no password', async () => {
    const wrong = await run(OPS, ['queues'], { ...env, PORT: 'eighty' });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/PORT: expected .* found "eighty"\n$/)]);
    const away = await run(OPS, ['queues', '--key', 'k'], {
      ...env,
      HOLDFAST_URL: 'http://admin:hunter2@127.0.0.1:1/shop/',
    });
    expect([away.code, away.stderr]).toEqual([3, 'http://127.0.0.1:1/shop cannot be reached (ECONNREFUSED).\n']);
  });

  it('says what cannot be reached', async () => {
    const { code, stderr } = await run(OPS, ['queues', '--url', 'http://127.0.0.1:1', '--key', 'k'], env);
    expect([code, stderr]).toEqual([3, 'http://127.0.0.1:1 cannot be reached (ECONNREFUSED).\n']);
  });

  it.each([
    ['there is no key', [], /^There is no API key: set HOLDFAST_API_KEY/],
    ['the address is none', ['--url', 'nowhere', '--key', 'k'], /^--url: expected a URL/],
  ])('says that %s', async (_, args, words) => {
    const { code, stdout, stderr } = await run(OPS, ['queues', ...args], env);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(words)]);
  });

  it('keeps the key of the data directory on this machine', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-key-'));
    writeFileSync(join(dataDir, 'admin-api-key'), 'kept\n');
    const kept = (url: string) => run(OPS, ['queues', '--url', url], { HOLDFAST_DATA_DIR: dataDir });
    expect((await kept('http://127.0.0.1:1')).stderr).toMatch(/cannot be reached/);
    expect((await kept('http://192.0.2.1')).stderr).toMatch(/^There is no API key/);
    rmSync(dataDir, { recursive: true });
  });
});
