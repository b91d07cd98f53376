import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config/config';
import { singleConnection } from '../database/data-source';
import { dataDirectoryAt } from '../database/embedded/data-directory';
import { attachEmbedded, type EmbeddedServer, startEmbedded } from '../database/embedded/embedded-postgres';
import { migrate } from '../database/migrate';
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
  const embedded = await startEmbedded({ dataDir: config.dataDir, onNotice });
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

/** The key of the embedded installation, where it has made one. */
export function keptAdminKey(dataDir: string): string | undefined {
  const { adminKeyFile } = dataDirectoryAt(dataDir);
  return existsSync(adminKeyFile) ? readFileSync(adminKeyFile, 'utf8').trim() : undefined;
}

/** The embedded installation's key lives beside its data, readable by its owner only. */
function withAdminKey(config: Config): Config {
  if (config.adminApiKey !== undefined) return config;
  const { adminKeyFile } = dataDirectoryAt(config.dataDir);
  if (!existsSync(adminKeyFile)) {
    mkdirSync(config.dataDir, { recursive: true });
    writeFileSync(adminKeyFile, `hf_${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  }
  return config.with({ adminApiKey: readFileSync(adminKeyFile, 'utf8').trim() });
}
