import { parseArgs } from 'node:util';
import { Config } from '../config/config';
import { attachEmbedded, startEmbedded } from '../database/embedded/embedded-postgres';
import { holdsCluster } from '../database/embedded/restoring';
import { type BackupOrder, backUp } from '../operations/backup/backup';
import { dumpCopying } from '../operations/backup/dump';
import { physicalCopying } from '../operations/backup/physical';
import { runCommand } from './command';
import { UsageError } from './flags';
import { StartError } from './start-error';
import { version } from './version';

const USAGE = `Usage:
  npm run backup -- [--to <folder>]   makes a folder of its own in it (default: backups)
Of the database at DATABASE_URL with its pg_dump, else of the embedded one by its files; both while everything runs.
Exit code 0: the backup is whole and on disk.`;

/** `npm run backup`: the whole database into a folder. */
runCommand(async () => {
  const to = parseCall();
  const config = Config.read(process.env);
  const startedAt = performance.now();
  const { folder, manifest } = await (config.databaseUrl === undefined
    ? backUpEmbedded(config, to)
    : backUpExternal(config.databaseUrl, to));
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const size = `${manifest.files.length} files, ${(manifest.bytes / 1e6).toFixed(1)} MB`;
  console.log(`${folder}\nEverything committed before ${manifest.asOf}: ${size}, in ${seconds} s.`);
  if (manifest.method === 'physical') console.log("It holds the installation's API key: keep it as safe as that.");
}, USAGE);

function backUpExternal(databaseUrl: string, to: string) {
  return backUp({ ...common(databaseUrl, to), copying: dumpCopying(databaseUrl, process.env['PATH'] ?? '') });
}

/** Where its server does not run, it does so for the backup. */
async function backUpEmbedded({ dataDir }: Config, to: string) {
  const running = await attachEmbedded(dataDir);
  if (running !== undefined) return backUp({ ...common(running, to), copying: physicalCopying(dataDir, running) });
  if (!(await holdsCluster(dataDir))) {
    throw new StartError(
      `There is no database in ${dataDir}: set HOLDFAST_DATA_DIR or DATABASE_URL to the one to back up.`,
    );
  }
  const server = await startEmbedded({ dataDir, onNotice: (sentence) => console.error(sentence) });
  try {
    return await backUp({ ...common(server.url, to), copying: physicalCopying(dataDir, server.url) });
  } finally {
    await server.stop();
  }
}

function common(databaseUrl: string, to: string): Omit<BackupOrder, 'copying'> {
  return { databaseUrl, to, release: version };
}

function parseCall(): string {
  try {
    const { values } = parseArgs({ options: { to: { type: 'string', default: 'backups' } } });
    return values.to;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}
