import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { singleConnection } from '../../src/database/data-source';
import { type EmbeddedServer, startEmbedded } from '../../src/database/embedded/embedded-postgres';
import { migrate } from '../../src/database/migrate';
import { findDumpPrograms } from '../../src/operations/backup/dump-programs';
import type { Manifest } from '../../src/operations/backup/manifest';
import { type Finished, run } from '../support/command';
import { createDatabase, createEmptyDatabase } from '../support/database';
import { newDataDir, removeDataDir } from '../support/data-dir';
import { waitFor } from '../support/wait';

const ROOT = join(__dirname, '..', '..');
const BACKUP = 'launch/backup.command.js';
const RESTORE = 'launch/restore.command.js';
const EMBEDDED_MAJOR = 17;

const [dataDir, backups] = [newDataDir('backed-up'), newDataDir('backups')];
let server: EmbeddedServer;
let backup: string;

beforeAll(async () => {
  server = await startEmbedded({ dataDir });
  await query('CREATE TABLE made_before (it integer)', migrate);
  const { code, stdout, stderr } = await run(BACKUP, ['--to', backups], { HOLDFAST_DATA_DIR: dataDir });
  expect([code, stderr]).toEqual([0, '']);
  backup = stdout.split('\n', 1)[0]!;
});

afterAll(async () => {
  await server?.stop();
  for (const directory of [dataDir, backups]) removeDataDir(directory);
});

async function query(statement: string, first?: typeof migrate): Promise<unknown> {
  const database = await singleConnection(server.url).initialize();
  await first?.(database);
  return database.query(statement).finally(() => database.destroy());
}

function manifestPath(): string {
  return join(backup, 'manifest.json');
}

function aManifest(change: Partial<Record<keyof Manifest, unknown>>): void {
  const manifest = JSON.parse(readFileSync(manifestPath(), 'utf8')) as Manifest;
  writeFileSync(manifestPath(), JSON.stringify({ ...manifest, ...change }));
}

/** The path of some file with rows in it. */
function aTable(): string {
  const manifest = JSON.parse(readFileSync(manifestPath(), 'utf8')) as Manifest;
  return join(backup, manifest.files.find(({ path, bytes }) => /\/base\/\d+\/\d+$/.test(path) && bytes > 8192)!.path);
}

describe('a backup that is not whole', () => {
  const target = newDataDir('target');
  afterAll(() => removeDataDir(target));

  /** Changes the backup, tries to restore it, and undoes the change. */
  async function restoringAfter(file: string, change: (file: string) => void): Promise<Finished> {
    const before = existsSync(file) ? readFileSync(file) : undefined;
    change(file);
    try {
      return await run(RESTORE, ['--from', backup, '--yes'], { HOLDFAST_DATA_DIR: target });
    } finally {
      if (before === undefined) rmSync(file);
      else writeFileSync(file, before);
    }
  }

  const flipped = (file: string): void => {
    const bytes = readFileSync(file);
    bytes[5000]! ^= 1;
    writeFileSync(file, bytes);
  };
  const shortened = (file: string): void => writeFileSync(file, readFileSync(file).subarray(0, 100));

  it.each<[string, () => string, (file: string) => void, RegExp]>([
    ['has a flipped bit', aTable, flipped, /is damaged \(postgres\/base\/\S+ has changed\)/],
    ['has a shorter file', aTable, shortened, /is damaged \(\S+ has 100 bytes, not \d+\)/],
    ['lacks a file', aTable, (file) => rmSync(file), /is damaged \(postgres\/\S+ is missing\)/],
    [
      'has one too many',
      () => join(backup, 'postgres/standby.signal'),
      (file) => writeFileSync(file, ''),
      /belong to it/,
    ],
    [
      'has no manifest',
      manifestPath,
      (file) => rmSync(file),
      /is no backup: its manifest.json cannot be read \(ENOENT\)/,
    ],
    ['has half a manifest', manifestPath, shortened, /manifest.json of \S+ cannot be understood/],
    ['is of a later format', manifestPath, () => aManifest({ format: 2 }), /is of format 2/],
    [
      'was made by a newer release',
      manifestPath,
      () => aManifest({ release: '9.0.0', migrations: ['InitialSchema1764000000000', 'FromTheFuture9'] }),
      /was made by a newer release, 9\.0\.0 \(FromTheFuture9\): restore it with that one/,
    ],
    ['is of another platform', manifestPath, () => aManifest({ platform: 'plan9-mips' }), /a server on plan9-mips/],
    ['is of another PostgreSQL', manifestPath, () => aManifest({ postgres: '14.2' }), /is of PostgreSQL 14 and/],
  ])('because it %s is refused, and nothing is restored', async (_, fileOf, change, words) => {
    const { code, stdout, stderr } = await restoringAfter(fileOf(), change);
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(words)]);
    expect(existsSync(join(target, 'postgres'))).toBe(false);
  });

  it('because its process was killed keeps the name of a part, and is refused', async () => {
    const into = join(backups, 'killed');
    mkdirSync(into);
    const child = spawn(process.execPath, [join(ROOT, 'dist', BACKUP), '--to', into], {
      env: { PATH: process.env['PATH'], HOLDFAST_DATA_DIR: dataDir },
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    await waitFor(() => readdirSync(into).length > 0, { withinMs: 20_000, what: 'the backup to begin' });
    child.kill('SIGKILL');
    await exited;
    const [left] = readdirSync(into);
    expect(left).toMatch(/\.partial$/);
    const named = await run(RESTORE, ['--from', join(into, left!)], { HOLDFAST_DATA_DIR: target });
    expect([named.code, named.stderr]).toEqual([1, expect.stringMatching(/is a backup that was broken off/)]);
    renameSync(join(into, left!), join(into, 'renamed'));
    const renamed = await run(RESTORE, ['--from', join(into, 'renamed')], { HOLDFAST_DATA_DIR: target });
    expect([renamed.code, renamed.stderr]).toEqual([1, expect.stringMatching(/is no backup/)]);
    expect(existsSync(join(target, 'postgres'))).toBe(false);
  });
});

describe('a backup that cannot be made', () => {
  it.each<[string, () => Record<string, string>, string[], RegExp]>([
    [
      'where there is no database',
      () => ({ HOLDFAST_DATA_DIR: join(backups, 'none') }),
      [],
      /^There is no database in/,
    ],
    [
      'where its folder cannot be made',
      () => ({ HOLDFAST_DATA_DIR: dataDir }),
      ['--to', join(ROOT, 'package.json')],
      /^No backup could be made in \S+package\.json \(EEXIST/,
    ],
    [
      'of a database out of reach',
      () => ({ DATABASE_URL: 'postgres://a:hunter2@127.0.0.1:1/a' }),
      [],
      /cannot be reached/,
    ],
  ])('%s says why', async (_, env, args, words) => {
    const { code, stdout, stderr } = await run(BACKUP, args, env());
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(words)]);
    expect(stderr).not.toMatch(/hunter2| at .*\.js:/);
  });

  it('because the tools are older than the server tells which were found, and leaves nothing', async () => {
    const older = await findDumpPrograms(1, process.env['PATH']!).catch(() => undefined);
    const database = await createDatabase();
    const into = join(backups, 'refused');
    const newer = await findDumpPrograms(EMBEDDED_MAJOR, process.env['PATH']!).catch(() => undefined);
    const told = await run(BACKUP, ['--to', into], { DATABASE_URL: database.url });
    await database.drop();
    if (newer) return expect(told.code).toBe(0);
    const found = older ? `${older.version} (${older.pgDump})` : 'none';
    expect([told.code, told.stderr]).toEqual([
      1,
      expect.stringContaining(`${EMBEDDED_MAJOR} or newer; found: ${found}`),
    ]);
    expect(readdirSync(into)).toEqual([]);
  });

  it('because nothing was migrated says what to do', async () => {
    const database = await createEmptyDatabase();
    const told = await run(BACKUP, ['--to', backups], { DATABASE_URL: database.url });
    await database.drop();
    expect([told.code, told.stderr]).toEqual([1, expect.stringMatching(/^The database is not migrated yet/)]);
  });

  it.each([
    [BACKUP, ['now']],
    [BACKUP, ['--from', 'a']],
    [RESTORE, []],
    [RESTORE, ['--from', 'a', '--force']],
  ])('because %s was called with %j exits 2 and says how it is used', async (command, args) => {
    const { code, stderr } = await run(command, args, { HOLDFAST_DATA_DIR: dataDir });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/Usage/)]);
  });
});

describe('a place that holds a database', () => {
  it('whose server runs is refused, whatever is allowed', async () => {
    const { code, stderr } = await run(RESTORE, ['--from', backup, '--yes'], { HOLDFAST_DATA_DIR: dataDir });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/is in use by process \d+/)]);
    expect(await query('SELECT count(*)::integer AS rows FROM made_before')).toEqual([{ rows: 0 }]);
  });

  it('is refused; with --yes it is moved aside and nothing of it is lost', async () => {
    await query('CREATE TABLE made_afterwards (it integer)');
    await query('INSERT INTO made_afterwards VALUES (1)');
    await server.stop();
    try {
      const env = { HOLDFAST_DATA_DIR: dataDir };
      mkdirSync(join(dataDir, 'vendors'));
      const refused = await run(RESTORE, ['--from', backup], env);
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringMatching(/holds a database: with --yes it is moved/),
      ]);
      const restored = await run(RESTORE, ['--from', backup, '--yes'], env);
      expect([restored.code, restored.stderr]).toEqual([0, expect.stringMatching(/^What was there is in .*replaced-/)]);
    } finally {
      server = await startEmbedded({ dataDir });
    }
    const tables = `SELECT count(*)::integer AS count FROM pg_class WHERE relname IN ('made_before', 'made_afterwards')`;
    expect(await query(tables)).toEqual([{ count: 1 }]);
    expect(existsSync(join(dataDir, 'vendors'))).toBe(true);

    const [aside] = readdirSync(dataDir).filter((name) => name.startsWith('replaced-'));
    const old = await startEmbedded({ dataDir: join(dataDir, aside!) });
    const database = await singleConnection(old.url).initialize();
    expect(await database.query('SELECT it FROM made_afterwards')).toEqual([{ it: 1 }]);
    await database.destroy();
    await old.stop();
  });

  it('of the other kind is refused, saying which one is meant', async () => {
    const { code, stderr } = await run(RESTORE, ['--from', backup], { DATABASE_URL: server.url });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/holds the files of an embedded database: unset DATABASE_URL/),
    ]);
  });
});

it('a database whose server does not run is backed up all the same, and does not run afterwards', async () => {
  await server.stop();
  const { code, stdout } = await run(BACKUP, ['--to', backups], { HOLDFAST_DATA_DIR: dataDir });
  expect([code, existsSync(join(dataDir, 'postgres', 'postmaster.pid'))]).toEqual([0, false]);
  expect(existsSync(join(stdout.split('\n', 1)[0]!, 'manifest.json'))).toBe(true);
  expect(dirname(stdout.split('\n', 1)[0]!)).toBe(backups);
  server = await startEmbedded({ dataDir });
});
