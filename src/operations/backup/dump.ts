import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { STAGING_TABLES } from '../../stock/sync/staging.repository';
import { digestOf } from '../../database/embedded/copied-file';
import type { Copying } from './backup';
import { BackupError } from './backup.errors';
import { findDumpPrograms } from './dump-programs';
import { type Backup, majorOf } from './manifest';
import { WholeDatabase } from './whole-database.repository';

const DUMP = 'database.dump';
/** Of a dump's contents. An extension that an administrator has made for us is his to comment on; the comment is its own anyway. */
const EXTENSION_COMMENT = /^\d+; .* COMMENT - EXTENSION /;
const MIGRATIONS = /^\d+; \d+ \d+ TABLE DATA \S+ migrations /;
/** Whatever they say is shown as it came. */
const SAID_BYTES_MAX = 1024 * 1024;

/** Dumps an external database with its own tools, from one snapshot; others go on working. */
export function dumpCopying(databaseUrl: string, searchPath: string): Copying {
  return {
    method: 'dump',
    async copy(into) {
      const { postgres, at } = await WholeDatabase.at(databaseUrl, (database) => database.server());
      const { pgDump } = await findDumpPrograms(majorOf(postgres), searchPath);
      const file = join(into, DUMP);
      // The rows of unlogged tables are for the moment only: a server that crashes drops them too.
      // Listings in staging come and go meanwhile, and pg_dump would wait for them, or fall over one that is gone. With any
      // schema: of a name without one pg_dump asks whether it is visible, which one that is gone is not, though its snapshot has it.
      const leftOut = ['--no-unlogged-table-data', `--exclude-table=*.${STAGING_TABLES}`];
      const args = ['--format=custom', ...leftOut, '--no-owner', '--no-privileges', `--file=${file}`];
      await run(pgDump, args, databaseUrl, searchPath);
      return { files: [{ path: DUMP, ...(await digestOf(file)) }], asOf: at };
    },
  };
}

/**
 * Restores a dump into an empty database: its tables, whole or not at all; then what `prepare` does to them; and only then what
 * they were migrated by, without which no process of ours starts (`HalfRestored`): one that did earlier would send again what
 * the dump has forgotten. Throws `BackupError`.
 */
export async function restoreDump(
  { folder, manifest }: Backup,
  databaseUrl: string,
  searchPath: string,
  prepare: () => Promise<void>,
): Promise<void> {
  const [wanted, major] = [majorOf(manifest.postgres), await emptyServerMajor(databaseUrl)];
  if (major < wanted) {
    throw new BackupError(
      `The backup is of PostgreSQL ${wanted} and the server is ${major}: restore it on ${wanted} or newer.`,
    );
  }
  const { pgRestore } = await findDumpPrograms(major, searchPath);
  const dump = join(folder, DUMP);
  const contents = (await run(pgRestore, ['--list', dump], databaseUrl, searchPath)).split('\n');
  const restoreOnly = async (entries: string[]): Promise<void> => {
    const scratch = await mkdtemp(join(tmpdir(), 'holdfast-restore-'));
    try {
      const list = join(scratch, 'contents');
      await writeFile(list, entries.join('\n'));
      const whole = ['--single-transaction', '--exit-on-error', '--no-owner', '--no-privileges'];
      await run(pgRestore, [...whole, `--use-list=${list}`, dump], databaseUrl, searchPath);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };
  await restoreOnly(contents.filter((entry) => !EXTENSION_COMMENT.test(entry) && !MIGRATIONS.test(entry)));
  try {
    await prepare();
    await restoreOnly(contents.filter((entry) => MIGRATIONS.test(entry)));
  } catch (cause) {
    const { message } = cause as Error;
    throw new BackupError(`${message}\nThe restore is not finished: drop this database and restore into a new one.`, {
      cause,
    });
  }
}

/** A database with tables is never written over: there is no way back. */
function emptyServerMajor(databaseUrl: string): Promise<number> {
  return WholeDatabase.at(databaseUrl, async (database) => {
    const name = await database.nameUnlessEmpty();
    if (name === undefined) return majorOf((await database.server()).postgres);
    throw new BackupError(
      `The database ${name} is not empty: make a new one (createdb), set DATABASE_URL to it and restore there. ` +
        'Nothing was changed.',
    );
  });
}

/** Answers what it printed. The password goes by the environment: everybody on the machine can read arguments. */
async function run(program: string, args: string[], databaseUrl: string, searchPath: string): Promise<string> {
  const url = new URL(databaseUrl);
  const password = url.searchParams.get('password') ?? decodeURIComponent(url.password);
  url.password = '';
  url.searchParams.delete('password');
  const env = { PATH: searchPath, LC_ALL: 'C', ...(password !== '' && { PGPASSWORD: password }) };
  try {
    const call = [`--dbname=${url.toString()}`, ...args];
    return (await promisify(execFile)(program, call, { env, maxBuffer: SAID_BYTES_MAX })).stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new BackupError(`${program} failed: ${(stderr || message).trim()}`, { cause: error });
  }
}
