import 'reflect-metadata';
import { ConfigError } from '../config/config';
import { EmbeddedPostgresError } from '../database/embedded/embedded-postgres';
import { Refusal } from '../http/refusal';
import { UsageError } from './flags';
import { StartError } from './start-error';

/** Runs a command line to its end: exit code 0, 2 for a wrong call, 1 for everything else, without a stack where we know why. */
export function runCommand(command: () => Promise<void>): void {
  command().catch((error: unknown) => {
    const known = [ConfigError, StartError, EmbeddedPostgresError, Refusal, UsageError].some(
      (kind) => error instanceof kind,
    );
    console.error(known ? (error as Error).message : error);
    process.exit(error instanceof UsageError ? 2 : 1);
  });
}
