import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type CopiedFile, writeCopy } from '../../database/embedded/copied-file';
import { BackupError } from './backup.errors';
import { type Backup, type BackupMethod, FORMAT, MANIFEST, type Manifest, PARTIAL } from './manifest';
import { WholeDatabase } from './whole-database.repository';

/** A way to copy a database into an empty folder. */
export interface Copying {
  method: BackupMethod;
  copy(into: string): Promise<{ files: CopiedFile[]; asOf: Date }>;
}

export interface BackupOrder {
  databaseUrl: string;
  copying: Copying;
  /** The folder in which the backup's own is made. */
  to: string;
  /** Of Holdfast. */
  release: string;
}

/**
 * Backs a database up into a new folder, named after the time. Until everything is on disk the folder is called `.partial`: who
 * dies on the way leaves nothing that could be taken for a backup.
 */
export async function backUp({ databaseUrl, copying, to, release }: BackupOrder): Promise<Backup> {
  const startedAt = new Date();
  const folder = join(resolve(to), `holdfast-${startedAt.toISOString().replace(/[-:]/g, '')}`);
  const draft = `${folder}${PARTIAL}`;
  const { postgres, migrations } = await WholeDatabase.at(databaseUrl, (database) => database.standing());
  await makeFolder(draft);
  try {
    const { files, asOf } = await copying.copy(draft);
    const manifest: Manifest = {
      format: FORMAT,
      method: copying.method,
      release,
      postgres,
      platform: `${process.platform}-${process.arch}`,
      migrations,
      startedAt: startedAt.toISOString(),
      asOf: asOf.toISOString(),
      finishedAt: new Date().toISOString(),
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      files,
    };
    await writeCopy(draft, MANIFEST, `${JSON.stringify(manifest, null, 1)}\n`);
    await foldersReachDisk(draft);
    await rename(draft, folder);
    await reachDisk(dirname(folder));
    return { folder, manifest };
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw explained(error, to);
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(dirname(folder), { recursive: true });
    // It holds every order, and the hashes of keys.
    await mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    throw explained(cause, dirname(folder));
  }
}

/** What the system refuses: rights, space. */
function explained(error: unknown, to: string): unknown {
  const { syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  return new BackupError(`No backup could be made in ${to} (${message}).`, { cause: error });
}

async function foldersReachDisk(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await foldersReachDisk(join(folder, entry.name));
  }
  await reachDisk(folder);
}

async function reachDisk(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
