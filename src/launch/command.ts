import 'reflect-metadata';
import { ConfigError } from '../config/config';
import { type DatabaseFailure, databaseFailure } from '../database/database-errors';
import { EmbeddedPostgresError } from '../database/embedded/embedded-postgres.errors';
import { HalfRestored } from '../database/half-restored';
import { SchemaTooNew } from '../database/schema-too-new';
import { UnsafeDatabase, UnsuitableSession } from '../database/session.errors';
import { Refusal } from '../http/refusal';
import { BackupError } from '../operations/backup/backup.errors';
import { UsageError } from './flags';
import { StartError } from './start-error';

const failedByDatabase: Record<DatabaseFailure, string> = {
  unavailable: 'The database cannot be reached; check DATABASE_URL',
  unmigrated: 'The database is not migrated yet: run npm run migrate',
  exhausted: 'The database takes no further connection; try again',
  overdue: 'The database did not answer in time; try again',
  conflict: 'The database is busy with the same rows; try again',
};

/** Their message says what happened, and what to do. */
const explained = [
  ...[ConfigError, StartError, EmbeddedPostgresError, SchemaTooNew, HalfRestored],
  ...[UnsuitableSession, UnsafeDatabase, Refusal, UsageError, BackupError],
];

/**
 * Runs a command line to its end: exit code 0, 2 for a wrong call, 1 for everything else, without a stack where we know why.
 * `--help` prints the usage, and nothing is done; a command without one has help of its own.
 */
export function runCommand(command: () => Promise<void>, usage?: string): void {
  if (usage !== undefined && process.argv.includes('--help')) return void console.log(usage);
  command().catch((error: unknown) => {
    console.error(explanationOf(error));
    process.exit(error instanceof UsageError ? 2 : 1);
  });
}

function explanationOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (explained.some((kind) => error instanceof kind)) return error.message;
  const failure = databaseFailure(error);
  return failure ? `${failedByDatabase[failure]} (${error.message}).` : error;
}
