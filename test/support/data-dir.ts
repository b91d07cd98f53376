import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A place for an embedded database's data. As root its server runs under another account, which has to get in. */
export function newDataDir(purpose = 'test'): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${purpose}-`));
  chmodSync(folder, 0o711);
  return join(folder, 'data');
}

/** Waits for a server that is still stopping. */
export function removeDataDir(dataDir: string): void {
  rmSync(dirname(dataDir), { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
}
