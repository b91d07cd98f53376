import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import { singleConnection } from '../../src/database/data-source';
import { dumpCopying, restoreDump } from '../../src/operations/backup/dump';
import { newId } from '../../src/database/new-id';
import { type Manifest, readBackup } from '../../src/operations/backup/manifest';
import { stagingTable } from '../../src/stock/sync/staging.repository';
import { ApiClient } from '../support/client';
import { run } from '../support/command';
import { canStartPostgres, ExternalPostgres } from '../support/external-postgres';
import { type AppProcess, freePort, ready, startProcess } from '../support/processes';
import { randomPrefix, removePrefix } from '../support/rabbitmq';
import { expectAllRight, expectThePast } from '../support/restored';
import { Trade } from '../support/trade';
import { waitFor } from '../support/wait';

const BACKUP = 'launch/backup.command.js';
const RESTORE = 'launch/restore.command.js';
const MIGRATE = 'launch/migrate.command.js';
const BROKEN_OFF = /A restore into this database is under way, or was broken off/;
const ORDERS_BEFORE = 100;
const ADMIN_API_KEY = `test-${randomBytes(16).toString('hex')}`;

const rabbitmqUrl = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const transports: [name: string, url: string | undefined, tests: jest.Describe][] = [
  ['the embedded transport', undefined, canStartPostgres ? describe : describe.skip],
  ['RabbitMQ', rabbitmqUrl, canStartPostgres && rabbitmqUrl !== undefined ? describe : describe.skip],
];

describe.each(transports)('a dump of an external database, taken while orders travel over %s', (_, url, tests) => {
  tests('restored into an empty one', () => {
    const backups = mkdtempSync(join(tmpdir(), 'holdfast-backups-'));
    // Another prefix is another, empty broker.
    const prefixes = [randomPrefix(), randomPrefix()];
    let postgres: ExternalPostgres;
    let trade: Trade;
    let apps: AppProcess[] = [];
    let database: DataSource | undefined;
    let backup: string;
    let manifest: Manifest;

    beforeAll(async () => {
      postgres = await ExternalPostgres.start();
      await postgres.run('CREATE DATABASE lost');
      const DATABASE_URL = postgres.urlOf('lost');
      expect((await run(MIGRATE, [], { DATABASE_URL })).code).toBe(0);
      trade = await Trade.open();
      const client = await startOn(DATABASE_URL, prefixes[0]!);
      await trade.begin(client);
      await trade.slowDown();
      await trade.buyWhile(client, ADMIN_API_KEY, async () => {
        await waitFor(() => trade.answered.length > ORDERS_BEFORE, { withinMs: 30_000, what: 'orders before it' });
        const { code, stdout, stderr } = await run(BACKUP, ['--to', backups], { DATABASE_URL });
        expect([code, stderr]).toEqual([0, '']);
        backup = stdout.split('\n', 1)[0]!;
        const goOn = trade.answered.length + ORDERS_BEFORE;
        await waitFor(() => trade.answered.length > goOn, { withinMs: 30_000, what: 'orders after it' });
      });
      manifest = JSON.parse(readFileSync(join(backup, 'manifest.json'), 'utf8')) as Manifest;
      await trade.speedUp();
      const before = await singleConnection(DATABASE_URL).initialize();
      await trade.settled(before);
      await before.destroy();
      await Promise.all(apps.map((app) => app.kill()));
      await postgres.run('DROP DATABASE lost WITH (FORCE)');
    }, 240_000);

    afterAll(async () => {
      if (database?.isInitialized) await database.destroy();
      await Promise.all(apps.map((app) => app.kill()));
      await trade?.close();
      await postgres?.remove();
      const vendorIds = trade.vendors.map(({ vendorId }) => vendorId);
      if (url !== undefined) for (const prefix of prefixes) await removePrefix(url, prefix, vendorIds);
      rmSync(backups, { recursive: true, force: true });
    });

    it('brings every order in it right at its vendor, on an empty broker, none of them bought twice', async () => {
      await postgres.run('CREATE DATABASE restored');
      // A role that may make tables and nothing else: its administrator has made the extension.
      await postgres.run(
        'CREATE ROLE shop LOGIN; GRANT CREATE ON SCHEMA public TO shop; CREATE EXTENSION pg_trgm',
        'restored',
      );
      const DATABASE_URL = postgres.urlOf('restored', 'shop');
      const beganAt = performance.now();
      const told = await run(RESTORE, ['--from', backup], { DATABASE_URL });
      expect([told.code, told.stderr]).toEqual([0, '']);
      const restoredAt = performance.now();
      database = await singleConnection(DATABASE_URL).initialize();
      await expectThePast(database, trade, manifest);

      const startedAt = performance.now();
      await startOn(DATABASE_URL, prefixes[1]!);
      const readyAt = performance.now();
      await trade.settled(database);
      report(restoredAt - beganAt, readyAt - startedAt, performance.now() - readyAt);
      await expectAllRight(database, trade);

      const again = await run(RESTORE, ['--from', backup, '--yes'], { DATABASE_URL });
      expect([again.code, again.stderr]).toEqual([
        1,
        expect.stringMatching(/^The database restored is not empty: .*\n$/),
      ]);
    }, 240_000);

    async function startOn(DATABASE_URL: string, RABBITMQ_PREFIX: string): Promise<ApiClient> {
      const env = { DATABASE_URL, ADMIN_API_KEY, LOG_LEVEL: 'warn', RETRY_DELAY_MS_MAX: '2000' };
      const broker: Record<string, string> = url === undefined ? {} : { RABBITMQ_URL: url, RABBITMQ_PREFIX };
      const api = await startProcess('api', { ...env, ...broker, PORT: String(await freePort()) });
      const worker = await startProcess('worker', { ...env, ...broker, WORKER_PORT: String(await freePort()) });
      apps = [api, worker];
      await Promise.all(apps.map(ready));
      return new ApiClient(api.url, ADMIN_API_KEY);
    }

    function report(restoring: number, starting: number, settling: number): void {
      const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
      console.log(
        `External, ${url === undefined ? 'no broker' : 'an empty broker'}: ${(manifest.bytes / 1e6).toFixed(1)} MB restored in ` +
          `${seconds(restoring)}, ready ${seconds(starting)} after the start, every order right ${seconds(settling)} later`,
      );
    }
  });
});

(canStartPostgres ? it : it.skip)(
  'a dump does not wait for a listing that is being dropped, nor fall over it',
  async () => {
    const backups = mkdtempSync(join(tmpdir(), 'holdfast-backups-'));
    const postgres = await ExternalPostgres.start();
    try {
      await postgres.run('CREATE DATABASE busy');
      const DATABASE_URL = postgres.urlOf('busy');
      expect((await run(MIGRATE, [], { DATABASE_URL })).code).toBe(0);
      const worker = await singleConnection(DATABASE_URL).initialize();
      const listing = stagingTable(newId());
      await worker.query(`CREATE UNLOGGED TABLE ${listing} (it integer)`);
      await worker.query('BEGIN');
      await worker.query(`DROP TABLE ${listing}`);
      const { code, stderr } = await run(BACKUP, ['--to', backups], { DATABASE_URL });
      // Had it waited, the server would have given the transaction up meanwhile, and the table would be there again.
      await worker.query('COMMIT').catch(() => undefined);
      const [{ gone }] = await worker.query('SELECT to_regclass($1) IS NULL AS gone', [listing]);
      await worker.destroy();
      expect([code, stderr, gone]).toEqual([0, '', true]);
    } finally {
      await postgres.remove();
      rmSync(backups, { recursive: true, force: true });
    }
  },
);

(canStartPostgres ? it : it.skip)(
  'a dump does not fall over listings that come and go between what it sees and what it asks',
  async () => {
    const backups = mkdtempSync(join(tmpdir(), 'holdfast-backups-'));
    const postgres = await ExternalPostgres.start();
    try {
      await postgres.run('CREATE DATABASE busy');
      const DATABASE_URL = postgres.urlOf('busy');
      expect((await run(MIGRATE, [], { DATABASE_URL })).code).toBe(0);
      const worker = await singleConnection(DATABASE_URL).initialize();
      let dumping = true;
      const listing = (async () => {
        while (dumping) {
          const tables = Array.from({ length: 20 }, () => stagingTable(newId()));
          for (const table of tables) await worker.query(`CREATE UNLOGGED TABLE ${table} (it integer)`);
          for (const table of tables) await worker.query(`DROP TABLE ${table}`);
        }
      })();
      const copying = dumpCopying(DATABASE_URL, process.env['PATH']!);
      const said: unknown[] = [];
      for (let dump = 0; dump < 10; dump++) {
        const folder = mkdtempSync(join(backups, 'dump-'));
        said.push(await copying.copy(folder).then(() => 'done', String));
      }
      dumping = false;
      await listing;
      await worker.destroy();
      expect(said).toEqual(said.map(() => 'done'));
    } finally {
      await postgres.remove();
      rmSync(backups, { recursive: true, force: true });
    }
  },
);

(canStartPostgres ? it : it.skip)(
  'a restore that is broken off once its tables are there leaves nothing that any process starts on',
  async () => {
    const backups = mkdtempSync(join(tmpdir(), 'holdfast-backups-'));
    const postgres = await ExternalPostgres.start();
    let api: AppProcess | undefined;
    try {
      await postgres.run('CREATE DATABASE lost');
      await postgres.run('CREATE DATABASE restored');
      expect((await run(MIGRATE, [], { DATABASE_URL: postgres.urlOf('lost') })).code).toBe(0);
      const { stdout } = await run(BACKUP, ['--to', backups], { DATABASE_URL: postgres.urlOf('lost') });
      const backup = await readBackup(stdout.split('\n', 1)[0]!);
      const DATABASE_URL = postgres.urlOf('restored');
      const prepared = await singleConnection(DATABASE_URL).initialize();
      const killed = restoreDump(backup, DATABASE_URL, process.env['PATH']!, async () => {
        expect(await prepared.query('SELECT order_id FROM orders')).toEqual([]);
        throw new Error('Killed.');
      });
      await expect(killed).rejects.toThrow('Killed.\nThe restore is not finished: drop this database');
      await prepared.destroy();

      api = await startProcess('api', { DATABASE_URL, ADMIN_API_KEY, PORT: String(await freePort()) });
      const ready = `${api.url}/health/ready`;
      await waitFor(async () => BROKEN_OFF.test(await (await fetch(ready)).text()), { withinMs: 10_000, what: 'why' });
      expect((await fetch(ready)).status).toBe(503);
      const migrated = await run(MIGRATE, [], { DATABASE_URL });
      expect([migrated.code, migrated.stderr]).toEqual([1, expect.stringMatching(BROKEN_OFF)]);
    } finally {
      await api?.kill();
      await postgres.remove();
      rmSync(backups, { recursive: true, force: true });
    }
  },
);
