import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import { singleConnection } from '../../../src/database/data-source';
import { copyCluster } from '../../../src/database/embedded/cluster-copy';
import { attachEmbedded, type EmbeddedServer, startEmbedded } from '../../../src/database/embedded/embedded-postgres';
import { finishRestore, restoreCluster } from '../../../src/database/embedded/restoring';
import { newDataDir, removeDataDir } from '../../support/data-dir';

/** Recycles its log as soon as it may. */
const FORGETFUL = { fsync: 'off', max_wal_size: '32MB', min_wal_size: '32MB', wal_keep_size: '0' };
/** Some 20 MB of log, more than a segment. */
const BATCH = `INSERT INTO written SELECT $1, repeat(md5(n::text), 30) FROM generate_series(1, 20000) n`;
/** More than the server keeps of its log, and little enough to be copied soon. */
const BATCHES_MAX = 5;

describe('a copy of the cluster of a server that is written to', () => {
  const [dataDir, copies, target] = [newDataDir('copied'), newDataDir('copies'), newDataDir('target')];
  const folder = join(copies, 'postgres');
  let server: EmbeddedServer;
  let database: DataSource;
  /** When each batch was known to be committed, by the database's clock. */
  const committedAt: Date[] = [];

  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    server = await startEmbedded({ dataDir, settings: FORGETFUL });
    database = await singleConnection(server.url).initialize();
    await database.query('CREATE TABLE written (batch integer, filler text)');
    await database.query('CREATE UNLOGGED TABLE fleeting (number integer)');
    await database.query('INSERT INTO fleeting VALUES (1)');
  });

  afterAll(async () => {
    if (database?.isInitialized) await database.destroy();
    await server?.stop();
    for (const directory of [dataDir, copies, target]) removeDataDir(directory);
  });

  it('has all that was committed before it ended, though the server would have recycled its log', async () => {
    let over = false;
    const cluster = realpathSync(join(dataDir, 'postgres'));
    const copying = copyCluster(cluster, server.url, folder).finally(() => (over = true));
    while (!over && committedAt.length < BATCHES_MAX) await writeBatch();
    const { files, asOf } = await copying;
    const before = committedAt.filter((at) => at < asOf).length;
    expect(before).toBeGreaterThan(1);

    const [, first] = /\(file ([0-9A-F]{24})\)/.exec(readFileSync(join(folder, 'backup_label'), 'utf8'))!;
    await writeBatch();
    expect(existsSync(join(cluster, 'pg_wal', first!))).toBe(false);

    const paths = files.map(({ path }) => path);
    const passwordFile = join(dataDir, 'postgres.password');
    const restored = { folder, paths, passwordFile, adminKeyFile: undefined, major: 17 };
    await restoreCluster(target, restored, () => undefined);
    await finishRestore(target);
    const batches = await inRestored(
      'SELECT batch, count(*)::integer AS rows FROM written GROUP BY batch ORDER BY batch',
    );
    expect(batches.slice(0, before)).toEqual(Array.from({ length: before }, (_, batch) => ({ batch, rows: 20_000 })));
    expect(batches.every(({ rows }) => rows === 20_000)).toBe(true);
    expect(await inRestored('SELECT * FROM fleeting')).toEqual([]);
  });

  it('is nothing to start on until its restore is finished, wherever that was broken off', async () => {
    const { files } = await copyCluster(realpathSync(join(dataDir, 'postgres')), server.url, join(copies, 'again'));
    const restored = {
      folder: join(copies, 'again'),
      paths: files.map(({ path }) => path),
      passwordFile: join(dataDir, 'postgres.password'),
      adminKeyFile: undefined,
      major: 17,
    };
    const restore = (change: Partial<typeof restored>) =>
      restoreCluster(target, { ...restored, ...change }, () => undefined);
    const refused = {
      name: 'EmbeddedPostgresError',
      message: expect.stringMatching(/broken off.* run npm run restore/),
    };
    // What was there is moved aside by then, and nothing is in its place.
    await expect(restore({ passwordFile: join(copies, 'none') })).rejects.toThrow('ENOENT');
    expect(existsSync(join(target, 'postgres'))).toBe(false);
    await expect(startEmbedded({ dataDir: target })).rejects.toMatchObject(refused);
    // Everything is in its place, but nobody has paused the vendors yet.
    await restore({});
    await expect(startEmbedded({ dataDir: target })).rejects.toMatchObject(refused);
    const other = await startEmbedded({ dataDir: target, settings: { fsync: 'off' }, restoring: true });
    await expect(attachEmbedded(target)).rejects.toMatchObject(refused);
    await finishRestore(target);
    expect(await attachEmbedded(target)).toBe(other.url);
    await other.stop();
  });

  async function writeBatch(): Promise<void> {
    await database.query(BATCH, [committedAt.length]);
    const [{ now }] = await database.query<[{ now: Date }]>('SELECT clock_timestamp() AS now');
    committedAt.push(now);
    await database.query('CHECKPOINT');
  }

  async function inRestored(statement: string): Promise<{ rows: number }[]> {
    const restored = await startEmbedded({ dataDir: target, settings: { fsync: 'off' } });
    const other = await singleConnection(restored.url).initialize();
    const found: { rows: number }[] = await other.query(statement);
    await other.destroy();
    await restored.stop();
    return found;
  }
});
