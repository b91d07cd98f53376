import { existsSync, readFileSync } from 'node:fs';
import { dataDirectoryAt } from '../database/embedded/data-directory';
import { liveOwner } from '../database/embedded/owner';

/** The API's address of the live process that owns this data dir; undefined where there is none, or it is still starting. */
export async function embeddedApiUrl(dataDir: string): Promise<string | undefined> {
  return (await liveOwner(dataDirectoryAt(dataDir)))?.apiUrl;
}

/** The key of the embedded installation, where it has made one. */
export function keptAdminKey(dataDir: string): string | undefined {
  const { adminKeyFile } = dataDirectoryAt(dataDir);
  return (existsSync(adminKeyFile) && readFileSync(adminKeyFile, 'utf8').trim()) || undefined;
}
