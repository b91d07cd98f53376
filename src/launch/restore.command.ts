import { parseArgs } from 'node:util';
import { Config } from '../config/config';
import { BackupError } from '../operations/backup/backup.errors';
import { restoreDump } from '../operations/backup/dump';
import { type Backup, readBackup } from '../operations/backup/manifest';
import { restorePhysical } from '../operations/backup/physical';
import { runCommand } from './command';
import { UsageError } from './flags';

const USAGE = `Usage:
  npm run restore -- --from <folder> [--yes]
Stop every process of the installation first. A backup of the embedded database goes into HOLDFAST_DATA_DIR; with --yes what is
there is moved aside. A dump goes into the database at DATABASE_URL, which has to be empty.
Exit code 0: everything is restored. Any other: nothing is.`;

/** `npm run restore`: a whole database from a folder that `npm run backup` made. */
runCommand(async () => {
  const { from, mayReplace } = parseCall();
  const config = Config.read(process.env);
  const startedAt = performance.now();
  const backup = await readBackup(from);
  await restore(backup, config, mayReplace);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`Restored in ${seconds} s. ${nextSteps(backup)}`);
});

async function restore(backup: Backup, { databaseUrl, dataDir }: Config, mayReplace: boolean): Promise<void> {
  const { method } = backup.manifest;
  if (method === 'dump' && databaseUrl === undefined) {
    throw new BackupError('The backup is a dump of an external database: set DATABASE_URL to an empty database.');
  }
  if (method === 'dump') return restoreDump(backup, databaseUrl!, process.env['PATH'] ?? '');
  if (databaseUrl !== undefined) {
    throw new BackupError('The backup holds the files of an embedded database: unset DATABASE_URL to restore it.');
  }
  await restorePhysical(backup, { dataDir, mayReplace, onNotice: (sentence) => console.error(sentence) });
}

function nextSteps({ manifest: { method, asOf } }: Backup): string {
  const start = method === 'dump' ? 'Run npm run migrate, then start your processes.' : 'Start it: npm start.';
  return (
    `Orders placed after ${asOf} are unknown here, though vendors may have them; what was pending then is settled with the ` +
    `vendors by itself.\n${start} Then read "After a restore" in docs/operating.md.`
  );
}

function parseCall(): { from: string; mayReplace: boolean } {
  try {
    const { values } = parseArgs({ options: { from: { type: 'string' }, yes: { type: 'boolean', default: false } } });
    if (values.from === undefined) throw new UsageError(USAGE);
    return { from: values.from, mayReplace: values.yes };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}
