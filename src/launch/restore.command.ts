import { parseArgs } from 'node:util';
import { Config } from '../config/config';
import { type Manifest, readBackup } from '../operations/backup/manifest';
import { restore } from '../operations/backup/restore';
import { runCommand } from './command';
import { UsageError } from './flags';

const USAGE = `Usage:
  npm run restore -- --from <folder> [--yes] [--paused]
Stop every process of the installation first. A backup of the embedded database goes into HOLDFAST_DATA_DIR; with --yes what is
there is moved aside. A dump goes into the database at DATABASE_URL, which has to be empty. With --paused nothing is sent to any
vendor until you resume it.
Exit code 0: everything is restored.`;

/** `npm run restore`: a whole database from a folder that `npm run backup` made. */
runCommand(async () => {
  const { from, mayReplace, paused } = parseCall();
  const { databaseUrl, dataDir } = Config.read(process.env);
  const startedAt = performance.now();
  const backup = await readBackup(from);
  const onNotice = (sentence: string): void => console.error(sentence);
  await restore(backup, { databaseUrl, dataDir, mayReplace, paused, searchPath: process.env['PATH'] ?? '', onNotice });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`Restored in ${seconds} s.\n${nextSteps(backup.manifest, paused)}`);
}, USAGE);

function nextSteps({ method, asOf }: Manifest, paused: boolean): string {
  return [
    `Orders placed after ${asOf} are unknown here, though vendors may have them; what was decided since is forgotten.`,
    method === 'dump' ? 'Run npm run migrate, then start your processes.' : 'Start it: npm start.',
    ...(paused ? ['Every vendor is paused: npm run ops -- vendors resume <vendor>.'] : []),
    'Then follow "After a restore" in docs/operating.md.',
  ].join('\n');
}

function parseCall(): { from: string; mayReplace: boolean; paused: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        from: { type: 'string' },
        yes: { type: 'boolean', default: false },
        paused: { type: 'boolean', default: false },
      },
    });
    if (values.from === undefined) throw new UsageError(USAGE);
    return { from: values.from, mayReplace: values.yes, paused: values.paused };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}
