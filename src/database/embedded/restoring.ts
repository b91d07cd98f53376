import { chmod, copyFile, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Account, serverAccount } from './account';
import { findBinaries } from './binaries';
import { giveTo, isAbsent, makeCluster } from './cluster';
import { type DataDirectory, dataDirectoryAt, explained, makeWritable, replaceFile } from './data-directory';
import { EmbeddedPostgresError } from './embedded-postgres.errors';
import { claim } from './owner';

/** A copied cluster, and what belongs to it. */
export interface ClusterToRestore {
  folder: string;
  /** Of its files, within the folder. */
  paths: string[];
  /** Copied into the data directory under their own names. */
  passwordFile: string;
  adminKeyFile: string | undefined;
  /** The server's major version it was made by. */
  major: number;
}

/** Folders without a file, which a copy of files lacks and a server misses. */
const EMPTY_FOLDERS = [
  ...['pg_commit_ts', 'pg_dynshmem', 'pg_notify', 'pg_replslot', 'pg_serial', 'pg_snapshots', 'pg_stat', 'pg_stat_tmp'],
  ...['pg_subtrans', 'pg_tblspc', 'pg_twophase', 'pg_wal', 'pg_logical/snapshots', 'pg_logical/mappings'],
];

/** Whether a data directory holds a database. */
export async function holdsCluster(dataDir: string): Promise<boolean> {
  return !(await isAbsent(dataDirectoryAt(dataDir).cluster));
}

/**
 * Puts a copied cluster in the place of the data directory's; nothing starts on it until the restore is finished
 * (`finishRestore`). What was there is moved aside within it, and never deleted; answers where to. Throws
 * `EmbeddedPostgresError`, `DataDirectoryInUse`.
 */
export async function restoreCluster(
  dataDir: string,
  restored: ClusterToRestore,
  onNotice: (sentence: string) => void,
): Promise<string | undefined> {
  const directory = dataDirectoryAt(dataDir);
  try {
    await makeWritable(directory);
    const ownership = await claim(directory);
    try {
      return await restoreOwned(directory, restored, onNotice);
    } finally {
      await ownership.release();
    }
  } catch (error) {
    throw explained(error, directory);
  }
}

/** From now on what was restored may be used. */
export async function finishRestore(dataDir: string): Promise<void> {
  const { path, restoreMark } = dataDirectoryAt(dataDir);
  await rm(restoreMark);
  await reachDisk(path);
}

/** Who starts on a half-restored directory would begin an empty shop, or send what was to wait. Throws `EmbeddedPostgresError`. */
export async function refuseUnfinishedRestore({ path, restoreMark }: DataDirectory): Promise<void> {
  if ((await lstat(restoreMark).catch(() => undefined)) === undefined) return;
  throw new EmbeddedPostgresError(
    `A restore into ${path} is under way or was broken off, so what is there must not be used: run npm run restore again, ` +
      `with --yes; what was there before is in ${join(path, 'replaced-…')}.`,
  );
}

async function restoreOwned(
  directory: DataDirectory,
  restored: ClusterToRestore,
  onNotice: (sentence: string) => void,
): Promise<string | undefined> {
  const account = await serverAccount(directory.cluster);
  const binaries = await findBinaries(account, onNotice);
  if (binaries.major !== restored.major) {
    throw new EmbeddedPostgresError(
      `The backup is of PostgreSQL ${restored.major} and this release brings ${binaries.major}; ` +
        'restore it with the release that made it.',
    );
  }
  let aside: string | undefined;
  await makeCluster(
    { directory, binaries, account, durable: true, onNotice },
    (draft) => fill(draft, restored, account),
    async () => {
      replaceFile(directory.restoreMark, '', 0o600);
      await reachDisk(directory.path);
      aside = await moveAside(directory);
      await placeBeside(directory, restored);
    },
  );
  return aside;
}

/** Everything is on disk, and the account's, before the draft takes its place. */
async function fill(draft: string, { folder, paths }: ClusterToRestore, account: Account | undefined): Promise<void> {
  const folders = new Set(['.']);
  for (const path of [...EMPTY_FOLDERS, ...paths.map(dirname)]) {
    for (let each = path; each !== '.'; each = dirname(each)) folders.add(each);
  }
  for (const each of [...folders].sort()) {
    await mkdir(join(draft, each), { recursive: true, mode: 0o700 });
    await giveTo(account, join(draft, each));
  }
  for (const path of paths) {
    await placeFile(join(folder, path), join(draft, path));
    await giveTo(account, join(draft, path));
  }
  for (const each of folders) await reachDisk(join(draft, each));
}

async function placeBeside(directory: DataDirectory, { passwordFile, adminKeyFile }: ClusterToRestore): Promise<void> {
  await placeFile(passwordFile, directory.passwordFile);
  if (adminKeyFile !== undefined) await placeFile(adminKeyFile, directory.adminKeyFile);
}

/** The database, its password, key and log; the simulated vendors' books are other companies'. */
async function moveAside(directory: DataDirectory): Promise<string | undefined> {
  const { path, cluster, passwordFile, adminKeyFile, logFile } = directory;
  const aside = join(path, `replaced-${new Date().toISOString().replace(/[-:]/g, '')}`);
  let moved = false;
  // An empty folder in the cluster's place may be a mount; the cluster takes it over.
  const files = [...((await isAbsent(cluster)) ? [] : [cluster]), passwordFile, adminKeyFile, logFile];
  for (const file of files) {
    if ((await lstat(file).catch(() => undefined)) === undefined) continue;
    if (!moved) await mkdir(aside, { mode: 0o711 });
    moved = true;
    await rename(file, join(aside, basename(file)));
  }
  return moved ? aside : undefined;
}

async function placeFile(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o600);
  await reachDisk(to);
}

async function reachDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}
