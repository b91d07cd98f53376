import 'reflect-metadata';
import { Config, ConfigError } from './config/config';
import { EmbeddedPostgresError } from './database/embedded/embedded-postgres.errors';
import { SchemaTooNew } from './database/schema-too-new';
import { UnsafeDatabase, UnsuitableSession } from './database/session.errors';
import { HELP, parseFlags, UsageError } from './launch/flags';
import { endWithParent, endWithWhatNobodyCaught } from './launch/shutdown';
import { StartError } from './launch/start-error';
import { version } from './launch/version';

/** Their message says what happened, and what to do. */
const EXPLAINED = [ConfigError, StartError, EmbeddedPostgresError, SchemaTooNew, UnsuitableSession, UnsafeDatabase];

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  if ('say' in flags) return console.log(flags.say === 'help' ? HELP : version);
  endWithWhatNobodyCaught();
  const config = Config.read(process.env);
  if (config.startedByNpm) endWithParent();
  // What another mode runs is not even loaded.
  if (flags.mode === 'vendors') return (await import('./launch/run-vendors.js')).runVendors(config);
  return (await import('./launch/run-app.js')).runApp(flags.mode, flags.demo, config);
}

main().catch((error: unknown) => {
  if (error instanceof UsageError) {
    console.error(error.message);
    process.exit(2);
  }
  const expected = EXPLAINED.some((kind) => error instanceof kind);
  console.error(expected ? (error as Error).message : error);
  process.exit(1);
});
