import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DataSource } from 'typeorm';
import { singleConnection } from '../../database/data-source';
import { digestOf } from '../../database/embedded/copied-file';
import { row } from '../../database/sql';
import { type Copying, standingOf } from './backup';
import { BackupError } from './backup.errors';
import { findDumpPrograms } from './dump-programs';
import { type Backup, majorOf } from './manifest';

const DUMP = 'database.dump';
/** Whatever they say is shown as it came. */
const SAID_BYTES_MAX = 1024 * 1024;

/** Dumps an external database with its own tools, from one snapshot; others go on working. */
export function dumpCopying(databaseUrl: string, searchPath: string): Copying {
  return {
    method: 'dump',
    async copy(into) {
      const { asOf, major } = await serverAt(databaseUrl);
      const { pgDump } = await findDumpPrograms(major, searchPath);
      const file = join(into, DUMP);
      // The rows of unlogged tables are for the moment only: a server that crashes drops them too.
      const args = ['--format=custom', '--no-unlogged-table-data', '--no-owner', '--no-privileges', `--file=${file}`];
      await run(pgDump, args, databaseUrl, searchPath);
      return { files: [{ path: DUMP, ...(await digestOf(file)) }], asOf };
    },
  };
}

/** Restores a dump into an empty database, in one transaction: whole or not at all. Throws `BackupError`. */
export async function restoreDump(
  { folder, manifest }: Backup,
  databaseUrl: string,
  searchPath: string,
): Promise<void> {
  const { major } = await serverAt(databaseUrl);
  if (major < majorOf(manifest.postgres)) {
    throw new BackupError(
      `The backup is of PostgreSQL ${manifest.postgres} and the server is ${major}: restore it on ${majorOf(manifest.postgres)} or newer.`,
    );
  }
  await refuseUnlessEmpty(databaseUrl);
  const { pgRestore } = await findDumpPrograms(major, searchPath);
  const args = ['--single-transaction', '--exit-on-error', '--no-owner', '--no-privileges', join(folder, DUMP)];
  await run(pgRestore, args, databaseUrl, searchPath);
  // Plans made without statistics read whole tables, and a dump has none.
  await withDatabase(databaseUrl, (database) => database.query('ANALYZE'));
  const { migrations } = await standingOf(databaseUrl);
  if (migrations.join() !== manifest.migrations.join()) {
    throw new BackupError('The restored database is another one than the backup says.');
  }
}

/** A database with tables is never written over: there is no way back. */
async function refuseUnlessEmpty(databaseUrl: string): Promise<void> {
  await withDatabase(databaseUrl, async (database) => {
    const found = await row<{ name: string }>(
      database.manager,
      `SELECT current_database() AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
       LIMIT 1`,
    );
    if (!found) return;
    throw new BackupError(
      `The database ${found.name} is not empty: make a new one (createdb), set DATABASE_URL to it and restore there. ` +
        'Nothing was changed.',
    );
  });
}

async function serverAt(databaseUrl: string): Promise<{ major: number; asOf: Date }> {
  return withDatabase(databaseUrl, async (database) => {
    const found = await row<{ major: number; asOf: Date }>(
      database.manager,
      `SELECT current_setting('server_version_num')::integer / 10000 AS major, clock_timestamp() AS "asOf"`,
    );
    return found!;
  });
}

async function withDatabase<Result>(
  databaseUrl: string,
  work: (database: DataSource) => Promise<Result>,
): Promise<Result> {
  const database = await singleConnection(databaseUrl).initialize();
  try {
    return await work(database);
  } finally {
    await database.destroy();
  }
}

/** The password goes by the environment: everybody on the machine can read arguments. */
async function run(program: string, args: string[], databaseUrl: string, searchPath: string): Promise<void> {
  const url = new URL(databaseUrl);
  const password = decodeURIComponent(url.password);
  url.password = '';
  const env = { PATH: searchPath, LC_ALL: 'C', ...(password !== '' && { PGPASSWORD: password }) };
  try {
    await promisify(execFile)(program, [`--dbname=${url.toString()}`, ...args], { env, maxBuffer: SAID_BYTES_MAX });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new BackupError(`${program} failed: ${(stderr || message).trim()}`, { cause: error });
  }
}
