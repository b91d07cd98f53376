import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '../support/client';
import { run } from '../support/command';
import { createDatabase, createEmptyDatabase, type TestDatabase } from '../support/database';
import { type AppProcess, freePort, ready, startProcess } from '../support/processes';
import { waitFor } from '../support/wait';

const MAIN = 'main.js';
const MIGRATE = 'launch/migrate.command.js';
const KEYS = 'launch/keys.command.js';
const BACKUP = 'launch/backup.command.js';
const RESTORE = 'launch/restore.command.js';
const VENDOR_CHECK = 'launch/vendor-check.command.js';
const ADMIN_API_KEY = 'command-line-test-key';
/** Nobody listens on port 1. */
const UNREACHABLE = 'postgres://holdfast:hunter2@127.0.0.1:1/holdfast';

let dataDir: string;
let database: TestDatabase | undefined;
let app: AppProcess | undefined;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-command-line-'));
});

afterEach(async () => {
  await app?.kill();
  await database?.drop();
  app = database = undefined;
  rmSync(dataDir, { recursive: true, force: true });
});

async function startApi(env: Record<string, string>): Promise<AppProcess> {
  app = await startProcess('api', { PORT: String(await freePort()), ...env });
  return app;
}

async function ended(process: AppProcess): Promise<number | null> {
  await waitFor(() => !process.running(), {
    withinMs: 20_000,
    what: () => `the end; it printed:\n${process.output()}`,
  });
  return process.stop();
}

describe('npm run restore -- --recovered', () => {
  it('says how many pending orders of a database that was recovered otherwise are looked up first', async () => {
    database = await createDatabase();
    const env = { DATABASE_URL: database.url };
    const done = await run(RESTORE, ['--recovered', '2026-01-31T12:00:00Z'], env);
    expect(done).toMatchObject({ code: 0, stdout: '0 pending orders are looked up before they are sent.\n' });
  });

  it.each([
    ['no time', ['--recovered', 'yesterday'], /^--recovered: expected a time of the past/],
    ['a time to come', ['--recovered', '2999-01-31T12:00:00Z'], /^--recovered: expected a time of the past/],
    ['a backup as well', ['--recovered', '2026-01-31T12:00:00Z', '--from', 'there'], /^Usage:/],
    ['the embedded database', ['--recovered', '2026-01-31T12:00:00Z'], /^--recovered: set DATABASE_URL/],
  ])('(%s) is a wrong call', async (_, args, sentence) => {
    const { code, stderr } = await run(RESTORE, args, { HOLDFAST_DATA_DIR: dataDir });
    expect([code, stderr]).toEqual([2, expect.stringMatching(sentence)]);
  });
});

describe('flags', () => {
  it('--help says the modes, the flags and the commands', async () => {
    const { code, stdout } = await run(MAIN, ['--help']);
    expect(code).toBe(0);
    for (const word of ['api', 'worker', 'all', 'vendors', '--demo', 'npm run migrate', 'npm run keys']) {
      expect(stdout).toContain(word);
    }
  });

  it('--version says the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string };
    expect(await run(MAIN, ['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each([
    ['an unknown flag', ['--mode=api', '--verbose'], ['--verbose', '--mode', '--demo', '--help', '--version']],
    ['an argument', ['api'], ["'api'", '--mode']],
    ['a mode without a value', ['--mode'], ['--mode', 'api|worker|all|vendors']],
    ['an unknown mode', ['--mode=server'], ['server', 'api, worker, all, vendors']],
    ['no mode', [], ['nothing', 'api, worker, all, vendors']],
    ['--demo where it means nothing', ['--mode=api', '--demo'], ['--demo', '--mode=all']],
  ])('%s exits 2 and names the valid ones', async (_, args, words) => {
    const { code, stdout, stderr } = await run(MAIN, args);
    expect([code, stdout]).toEqual([2, '']);
    for (const word of words) expect(stderr).toContain(word);
  });

  it.each([
    [MIGRATE, ['--force']],
    [KEYS, []],
    [KEYS, ['destroy']],
    [KEYS, ['create', '--name', 'no scopes']],
    [KEYS, ['create', '--name', 'a', '--scopes', 'ops', '--admin']],
    [KEYS, ['revoke']],
  ])('%s %j exits 2 and says how it is used', async (command, args) => {
    const { code, stderr } = await run(command, args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/Usage/);
  });

  it.each([MIGRATE, KEYS, BACKUP, RESTORE, VENDOR_CHECK])(
    '%s --help says how it is used, and does nothing',
    async (command) => {
      const told = await run(command, ['--help'], { DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:1/none' });
      expect(told).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Usage/), stderr: '' });
    },
  );
});

describe('configuration', () => {
  it('stops the start with one message that lists every problem, and no secret', async () => {
    const { code, stdout, stderr } = await run(MAIN, ['--mode=api'], {
      DATABASE_URL: 'mysql://holdfast:hunter2@database/holdfast',
      RABBITMQ_URL: 'http://holdfast:hunter2@broker',
      ADMIN_API_KEY: 'hunter2 hunter2',
      DATABASE_POOL_MAX: '1.5',
      PORT: '70000',
      CURRENCY: 'usd',
      LOG_LEVEL: 'loud',
      VENDOR_ALLOW_PRIVATE: 'perhaps',
      RETRY_DELAY_MS_BASE: '5000',
      RETRY_DELAY_MS_MAX: '1000',
    });
    expect([code, stdout]).toEqual([1, '']);
    const problems = [...stderr.matchAll(/^ {2}- (\w+): expected .+, found .+$/gm)].map(([, key]) => key);
    expect(problems.toSorted()).toEqual([
      'ADMIN_API_KEY',
      'CURRENCY',
      'DATABASE_POOL_MAX',
      'DATABASE_URL',
      'LOG_LEVEL',
      'PORT',
      'RABBITMQ_URL',
      'RETRY_DELAY_MS_MAX',
      'VENDOR_ALLOW_PRIVATE',
    ]);
    expect(stderr).not.toMatch(/hunter2| at .*\.js:/);
    expect(stderr).toContain('70000');
  });

  it.each([['DATABASE_REPLICA_URLS', 'postgres://holdfast:hunter2@replica/holdfast']])(
    '%s is not supported yet, and stops the start instead of being ignored',
    async (key, value) => {
      const { code, stderr } = await run(MAIN, ['--mode=api'], { [key]: value, HOLDFAST_DATA_DIR: dataDir });
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`${key}: not supported by this release`));
      expect(stderr).not.toContain('hunter2');
    },
  );

  it.each([
    ['api', 'PORT', 'no-such-host.invalid'],
    ['vendors', 'VENDORS_PORT', '192.0.2.1'],
  ])('of %s exits 1 where HOST, beside %s, is no address of this machine: %s', async (mode, key, HOST) => {
    database = await createDatabase();
    const env = { DATABASE_URL: database.url, ADMIN_API_KEY, HOLDFAST_DATA_DIR: dataDir, HOST };
    const { code, stderr } = await run(MAIN, [`--mode=${mode}`], { ...env, [key]: String(await freePort()) });
    const said = /^HOST: expected the name or address of an interface of this machine, found (\S+) \(E[A-Z_]+\)\.\n$/;
    expect([code, said.exec(stderr)?.[1] ?? stderr]).toEqual([1, HOST]);
  });

  describe('of a port that is taken', () => {
    let occupant: Server;

    beforeEach(async () => {
      occupant = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
      await once(occupant, 'listening');
    });

    afterEach(() => occupant.close());

    it.each([
      ['api', 'PORT'],
      ['worker', 'WORKER_PORT'],
      ['vendors', 'VENDORS_PORT'],
    ])('%s exits 1, naming %s and the port', async (mode, key) => {
      database = await createDatabase();
      const port = String((occupant.address() as { port: number }).port);
      const env = { DATABASE_URL: database.url, ADMIN_API_KEY, HOLDFAST_DATA_DIR: dataDir, [key]: port };
      const { code, stderr } = await run(MAIN, [`--mode=${mode}`], env);
      expect([code, stderr]).toEqual([1, `${key}: port ${port} is taken; set ${key} to a free one.\n`]);
    });
  });
});

describe('what nobody has caught', () => {
  it.each([
    ['unhandledRejection', `void Promise.reject(new Error('boom'))`],
    ['uncaughtException', `throw new Error('boom')`],
  ])('ends the process as an %s, with its story', async (origin, mishap) => {
    const preloaded = join(dataDir, 'mishap.cjs');
    writeFileSync(preloaded, `setTimeout(() => { ${mishap}; }, 1000);`);
    const { code, stdout, stderr } = await run(MAIN, ['--mode=vendors'], {
      NODE_OPTIONS: `--require ${preloaded}`,
      VENDORS_PORT: String(await freePort()),
      HOLDFAST_DATA_DIR: dataDir,
    });
    expect([code, stdout + stderr]).toEqual([1, expect.stringContaining(`Ended by an ${origin}: boom`)]);
    expect(stdout + stderr).toContain('at ');
  });
});

describe('a database', () => {
  it.each([
    [MAIN, ['--mode=api']],
    [MAIN, ['--mode=worker']],
    [MIGRATE, []],
    [KEYS, ['list']],
  ])('that is neither set nor embedded ends %s %j with what to do', async (program, args) => {
    const { code, stderr } = await run(program, args, { HOLDFAST_DATA_DIR: dataDir });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^There is no database: .* npm start .* DATABASE_URL\.\n$/);
  });

  it.each([
    [MIGRATE, []],
    [KEYS, ['list']],
  ])('that cannot be reached ends %s in one sentence without the password', async (program, args) => {
    const { code, stderr } = await run(program, args, { DATABASE_URL: UNREACHABLE });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The database cannot be reached; check DATABASE_URL .*\n$/);
    expect(stderr).not.toContain('hunter2');
  });

  it('that cannot be reached leaves an API alive, not ready, and discreet', async () => {
    const api = await startApi({ DATABASE_URL: UNREACHABLE, ADMIN_API_KEY });
    expect((await fetch(`${api.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${api.url}/health/ready`)).status).toBe(503);
    await waitFor(() => api.output().includes('cannot be reached'), { withinMs: 5000, what: 'the reason' });
    expect(api.output()).not.toMatch(/hunter2|command-line-test-key/);
  });

  it('that cannot be reached keeps nobody from stopping the API, whoever has asked for its readiness', async () => {
    const api = await startApi({ DATABASE_URL: UNREACHABLE });
    await fetch(`${api.url}/health/ready`);
    expect(await api.stop()).toBe(0);
  });

  it('that is not migrated leaves an API alive and not ready, until npm run migrate', async () => {
    database = await createEmptyDatabase();
    const api = await startApi({ DATABASE_URL: database.url, ADMIN_API_KEY });
    expect((await fetch(`${api.url}/health/live`)).status).toBe(200);
    const readiness = () => fetch(`${api.url}/health/ready`);
    await waitFor(async () => (await (await readiness()).text()).includes('run npm run migrate'), {
      withinMs: 10_000,
      what: 'readiness to say what to do',
    });
    expect((await readiness()).status).toBe(503);
    const early = await new ApiClient(api.url, ADMIN_API_KEY).get('/v1/orders');
    expect([early.status, early.body.code, early.headers.get('retry-after')]).toEqual([
      503,
      'DATABASE_UNAVAILABLE',
      '2',
    ]);
    const keys = await run(KEYS, ['list'], { DATABASE_URL: database.url });
    expect([keys.code, keys.stderr]).toEqual([1, expect.stringMatching(/^The database is not migrated.*\n$/)]);

    expect((await run(MIGRATE, [], { DATABASE_URL: database.url })).code).toBe(0);
    await ready(api);
    expect((await new ApiClient(api.url, ADMIN_API_KEY).get('/v1/orders')).status).toBe(200);
  });

  it.each(['api', 'worker'])('that a newer release has migrated ends --mode=%s in one sentence', async (mode) => {
    database = await createDatabase();
    await database.dataSource.query(`INSERT INTO migrations (timestamp, name) VALUES (9e12, 'FromTheFuture9')`);
    const port = mode === 'api' ? 'PORT' : 'WORKER_PORT';
    app = await startProcess(mode, { DATABASE_URL: database.url, ADMIN_API_KEY, [port]: String(await freePort()) });
    expect(await ended(app)).toBe(1);
    const sentence = /^The database has been migrated by a newer release \(FromTheFuture9\): run that one\.$/m;
    expect(app.output()).toMatch(sentence);
    const migrating = await run(MIGRATE, [], { DATABASE_URL: database.url });
    expect([migrating.code, migrating.stderr]).toEqual([1, expect.stringMatching(sentence)]);
  });

  it('that is being dumped is migrated when that is over, and lets orders through meanwhile', async () => {
    database = await createDatabase();
    const { dataSource, url } = database;
    await dataSource.undoLastMigration();
    const dump = dataSource.createQueryRunner();
    await dump.startTransaction();
    await dump.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await dump.query('LOCK TABLE orders, vendors IN ACCESS SHARE MODE');
    const migrating = run(MIGRATE, [], { DATABASE_URL: url });
    const waits = `SELECT FROM pg_locks WHERE NOT granted AND relation IN ('orders'::regclass, 'vendors'::regclass)`;
    await waitFor(async () => (await dataSource.query(waits)).length > 0, { withinMs: 20_000, what: 'the migration' });
    // Queues behind the migration, which gives way sooner than orders give up.
    await dataSource.query('SELECT FROM orders FOR NO KEY UPDATE');
    await dataSource.query('SELECT FROM vendors FOR NO KEY UPDATE');
    await dump.commitTransaction();
    await dump.release();
    expect(await migrating).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^Applied: \w+\n$/),
      stderr: expect.stringMatching(/^Waiting for a table .*\n$/),
    });
  });

  it('is migrated once, by whoever comes first of three at once, and not again', async () => {
    database = await createEmptyDatabase();
    const env = { DATABASE_URL: database.url };
    const atOnce = await Promise.all([run(MIGRATE, [], env), run(MIGRATE, [], env), run(MIGRATE, [], env)]);
    expect(atOnce.map(({ code }) => code)).toEqual([0, 0, 0]);
    const printed = atOnce.map(({ stdout }) => stdout).toSorted();
    expect(printed).toEqual([
      expect.stringMatching(/^Applied: InitialSchema\d+/),
      'Nothing to migrate.\n',
      'Nothing to migrate.\n',
    ]);
    expect(await run(MIGRATE, [], env)).toEqual({ code: 0, stdout: 'Nothing to migrate.\n', stderr: '' });
  });

  it('without any API key, and none set, ends the API saying so; a key from the command line is enough', async () => {
    database = await createDatabase();
    const env = { DATABASE_URL: database.url };
    const locked = await startApi(env);
    expect(await ended(locked)).toBe(1);
    expect(locked.output()).toMatch(
      /^ADMIN_API_KEY: required with DATABASE_URL while no API key exists.* npm run keys\.$/m,
    );

    const created = await run(KEYS, ['create', '--name', 'first', '--scopes', 'catalog:read'], env);
    const api = await startApi(env);
    await ready(api);
    const key = created.stdout.split('\n', 1)[0];
    expect((await new ApiClient(api.url, key).get('/v1/products')).status).toBe(200);
  });
});
