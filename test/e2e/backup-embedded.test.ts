import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DataSource } from 'typeorm';
import { singleConnection } from '../../src/database/data-source';
import { attachEmbedded, startEmbedded } from '../../src/database/embedded/embedded-postgres';
import type { Manifest } from '../../src/operations/backup/manifest';
import { ApiClient } from '../support/client';
import { run } from '../support/command';
import { newDataDir, removeDataDir } from '../support/data-dir';
import { type AppProcess, freePort, ready, startProcess } from '../support/processes';
import { expectAllRight, expectThePast } from '../support/restored';
import { Trade } from '../support/trade';
import { waitFor } from '../support/wait';

const BACKUP = 'launch/backup.command.js';
const RESTORE = 'launch/restore.command.js';
const ORDERS_BEFORE = 100;

describe('a backup of the embedded database, taken while orders are placed', () => {
  let trade: Trade;
  let app: AppProcess | undefined;
  let database: DataSource | undefined;
  const [lost, restored, backups] = [newDataDir('lost'), newDataDir('restored'), newDataDir('backups')];
  let backup: string;
  let manifest: Manifest;
  let port: string;

  beforeAll(async () => {
    port = String(await freePort());
    trade = await Trade.open();
    const { client, apiKey } = await startIn(lost);
    await trade.begin(client);
    await trade.slowDown();
    await trade.buyWhile(client, apiKey, async () => {
      await waitFor(() => trade.answered.length > ORDERS_BEFORE, {
        withinMs: 30_000,
        what: 'orders before the backup',
      });
      const { code, stdout, stderr } = await run(BACKUP, ['--to', backups], { HOLDFAST_DATA_DIR: lost });
      expect([code, stderr]).toEqual([0, '']);
      backup = stdout.split('\n', 1)[0]!;
      const goOn = trade.answered.length + ORDERS_BEFORE;
      await waitFor(() => trade.answered.length > goOn, { withinMs: 30_000, what: 'orders after the backup' });
    });
    manifest = JSON.parse(readFileSync(join(backup, 'manifest.json'), 'utf8')) as Manifest;
    await trade.speedUp();
    const before = await singleConnection((await attachEmbedded(lost))!).initialize();
    await trade.settled(before);
    await before.destroy();
    await app!.kill();
    removeDataDir(lost);
  }, 240_000);

  afterAll(async () => {
    if (database?.isInitialized) await database.destroy();
    await app?.kill();
    await trade?.close();
    for (const directory of [restored, backups])
      rmSync(dirname(directory), { recursive: true, force: true, maxRetries: 50 });
  });

  it('comes back in an empty place; once its vendors are resumed, every order in it is right, and none bought twice', async () => {
    const beganAt = performance.now();
    const told = await run(RESTORE, ['--from', backup, '--paused'], { HOLDFAST_DATA_DIR: restored });
    expect([told.code, told.stderr]).toEqual([0, '']);
    const restoredAt = performance.now();
    const server = await startEmbedded({ dataDir: restored });
    const past = await singleConnection(server.url).initialize();
    await expectThePast(past, trade, manifest);
    const attempts = await attemptsIn(past);
    await past.destroy();
    await server.stop();

    const startedAt = performance.now();
    const { client } = await startIn(restored);
    const readyAt = performance.now();
    database = await singleConnection((await attachEmbedded(restored))!).initialize();
    expect(await attemptsIn(database)).toBe(attempts);
    for (const { vendorId } of trade.vendors) {
      expect((await client.get(`/v1/vendors/${vendorId}`)).body.paused).toBe(true);
      expect((await client.call('POST', `/v1/vendors/${vendorId}/resume`)).status).toBe(200);
    }
    await trade.settled(database);
    report(restoredAt - beganAt, readyAt - startedAt, performance.now() - readyAt);
    await expectAllRight(database, trade);
  }, 240_000);

  async function startIn(dataDir: string): Promise<{ client: ApiClient; apiKey: string }> {
    const env = { HOLDFAST_DATA_DIR: dataDir, PORT: port, LOG_LEVEL: 'warn', RETRY_DELAY_MS_MAX: '2000' };
    app = await startProcess('all', env);
    await ready(app);
    const apiKey = readFileSync(join(dataDir, 'admin-api-key'), 'utf8').trim();
    return { client: new ApiClient(app.url, apiKey), apiKey };
  }

  async function attemptsIn(from: DataSource): Promise<number> {
    return (await from.query('SELECT count(*)::integer AS count FROM dispatch_attempts'))[0].count;
  }

  function report(restoring: number, starting: number, settling: number): void {
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    console.log(
      `Embedded: ${manifest.files.length} files, ${(manifest.bytes / 1e6).toFixed(1)} MB restored in ${seconds(restoring)}, ` +
        `ready ${seconds(starting)} after the start, every order right ${seconds(settling)} later`,
    );
  }
});
