import { randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config/config';
import { singleConnection } from '../database/data-source';
import { dataDirectoryAt } from '../database/embedded/data-directory';
import { attachEmbedded, type EmbeddedServer, startEmbedded } from '../database/embedded/embedded-postgres';
import { migrate } from '../database/migrate';
import { keptAdminKey } from './local-installation';
import { StartError } from './start-error';

/** The database of this process: an external one, our own server, or another process's. */
export interface OpenedDatabase {
  config: Config;
  /** Set where this process runs the server. */
  embedded?: EmbeddedServer;
}

/** Starts the embedded server, migrates it, and makes sure that there is an admin key. External ones are left as they are. */
export async function openDatabase(config: Config, onNotice: (sentence: string) => void): Promise<OpenedDatabase> {
  if (config.databaseUrl !== undefined) return { config };
  // Whoever supervises us starts us again, and the server with us.
  const onEnd = (): void => process.exit(1);
  const embedded = await startEmbedded({ dataDir: config.dataDir, onNotice, onEnd });
  const dataSource = singleConnection(embedded.url);
  await dataSource.initialize();
  try {
    await migrate(dataSource);
  } finally {
    await dataSource.destroy();
  }
  return { embedded, config: withAdminKey(config.with({ databaseUrl: embedded.url })) };
}

/** For everything but `--mode=all`: the external database, or the embedded server that is running. Throws `StartError`. */
export async function attachDatabase(config: Config): Promise<Config> {
  if (config.databaseUrl !== undefined) return config;
  const databaseUrl = await attachEmbedded(config.dataDir);
  if (databaseUrl === undefined) {
    throw new StartError(
      `There is no database: no embedded one is running in ${resolve(config.dataDir)}. Run npm start first, or set DATABASE_URL.`,
    );
  }
  return withAdminKey(config.with({ databaseUrl }));
}

/** The embedded installation's key lives beside its data, readable by its owner only. */
function withAdminKey(config: Config): Config {
  if (config.adminApiKey !== undefined) return config;
  return config.with({ adminApiKey: keptAdminKey(config.dataDir) ?? makeAdminKey(config.dataDir) });
}

/** Whole or not at all, also after a power cut; of several processes that make one at once, all have the first's. */
function makeAdminKey(dataDir: string): string {
  const { adminKeyFile } = dataDirectoryAt(dataDir);
  mkdirSync(dataDir, { recursive: true });
  const draft = `${adminKeyFile}.${randomUUID()}`;
  writeFileSync(draft, `hf_${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(draft, adminKeyFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Nothing is in it: somebody died while writing it.
    if (keptAdminKey(dataDir) === undefined) renameSync(draft, adminKeyFile);
  } finally {
    rmSync(draft, { force: true });
  }
  return keptAdminKey(dataDir)!;
}
