import { Config } from '../config/config';
import { migratingConnection } from '../database/data-source';
import { migrate } from '../database/migrate';
import { attachDatabase } from './database';
import { UsageError } from './flags';
import { runCommand } from './command';

const USAGE = 'Usage: npm run migrate (it takes no arguments)';

/** `npm run migrate`: applies what is pending. */
runCommand(async () => {
  if (process.argv.length > 2) throw new UsageError(USAGE);
  const { databaseUrl } = await attachDatabase(Config.read(process.env));
  const dataSource = migratingConnection(databaseUrl!);
  await dataSource.initialize();
  try {
    const applied = await migrate(dataSource, (sentence) => console.error(sentence));
    console.log(applied.length === 0 ? 'Nothing to migrate.' : `Applied: ${applied.join(', ')}`);
  } finally {
    await dataSource.destroy();
  }
}, USAGE);
