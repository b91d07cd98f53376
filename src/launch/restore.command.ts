import { parseArgs } from 'node:util';
import { Config } from '../config/config';
import { isTimestamp } from '../http/rules';
import { type Manifest, readBackup } from '../operations/backup/manifest';
import { restore } from '../operations/backup/restore';
import { WholeDatabase } from '../operations/backup/whole-database.repository';
import { runCommand } from './command';
import { UsageError } from './flags';

const USAGE = `Usage:
  npm run restore -- --from <folder> [--yes] [--paused]
  npm run restore -- --recovered <time> [--paused]
Stop every process of the installation first. A backup of the embedded database goes into HOLDFAST_DATA_DIR; with --yes what is
there is moved aside. A dump goes into the database at DATABASE_URL, which has to be empty. With --paused nothing is sent to any
vendor until you resume it. --recovered says that you have recovered the database at DATABASE_URL yourself, to this time (such as
2026-01-31T12:00:00Z): what was pending then may have been sent since, and is looked up first.
Exit code 0: everything is restored.`;

/** `npm run restore`: a whole database from a folder that `npm run backup` made. */
runCommand(async () => {
  const call = parseCall();
  const config = Config.read(process.env);
  return 'from' in call ? restoreFrom(call, config) : concludeRecovery(call, config);
}, USAGE);

async function restoreFrom({ from, mayReplace, paused }: FromBackup, { databaseUrl, dataDir }: Config): Promise<void> {
  const startedAt = performance.now();
  const backup = await readBackup(from);
  const onNotice = (sentence: string): void => console.error(sentence);
  await restore(backup, { databaseUrl, dataDir, mayReplace, paused, searchPath: process.env['PATH'] ?? '', onNotice });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`Restored in ${seconds} s.\n${nextSteps(backup.manifest, paused)}`);
}

async function concludeRecovery({ recoveredTo, paused }: Recovered, { databaseUrl }: Config): Promise<void> {
  if (databaseUrl === undefined)
    throw new UsageError('--recovered: set DATABASE_URL to the database that was recovered.');
  const doubted = await WholeDatabase.at(databaseUrl, async (database) => {
    if (paused) await database.pauseVendors();
    return database.doubtPendingSince(recoveredTo);
  });
  console.log(`${doubted} pending orders are looked up before they are sent.`);
}

function nextSteps({ method, asOf }: Manifest, paused: boolean): string {
  return [
    `Orders placed after ${asOf} are unknown here, though vendors may have them; what was decided since is forgotten.`,
    `${method === 'dump' ? 'Run npm run migrate, then start' : 'Start'} its processes as you always do.`,
    ...(paused ? ['Every vendor is paused: npm run ops -- vendors resume <vendor>.'] : []),
    'Then follow "After a restore" in docs/operating.md.',
  ].join('\n');
}

interface FromBackup {
  from: string;
  mayReplace: boolean;
  paused: boolean;
}

interface Recovered {
  /** ISO 8601. */
  recoveredTo: string;
  paused: boolean;
}

function parseCall(): FromBackup | Recovered {
  try {
    const { values } = parseArgs({
      options: {
        from: { type: 'string' },
        recovered: { type: 'string' },
        yes: { type: 'boolean', default: false },
        paused: { type: 'boolean', default: false },
      },
    });
    const { from, recovered, paused, yes: mayReplace } = values;
    if (from !== undefined && recovered === undefined) return { from, mayReplace, paused };
    if (recovered === undefined || from !== undefined || mayReplace) throw new UsageError(USAGE);
    if (!isTimestamp(recovered) || Date.parse(recovered) > Date.now())
      throw new UsageError(
        `--recovered: expected a time of the past such as 2026-01-31T12:00:00Z, found ${recovered}.`,
      );
    return { recoveredTo: recovered, paused };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}
