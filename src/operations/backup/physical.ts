import { realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { copyCluster } from '../../database/embedded/cluster-copy';
import { type CopiedFile, copyFile } from '../../database/embedded/copied-file';
import { dataDirectoryAt } from '../../database/embedded/data-directory';
import { holdsCluster, restoreCluster } from '../../database/embedded/restoring';
import type { Copying } from './backup';
import { BackupError } from './backup.errors';
import { type Backup, majorOf } from './manifest';

/** Of a physical backup: the cluster's files. Beside it are its password and the installation's key. */
const CLUSTER = 'postgres';

/** Copies the files of an embedded database whose server runs. */
export function physicalCopying(dataDir: string, databaseUrl: string): Copying {
  const { cluster, passwordFile, adminKeyFile } = dataDirectoryAt(dataDir);
  return {
    method: 'physical',
    async copy(into) {
      const beside: CopiedFile[] = [];
      for (const file of [passwordFile, adminKeyFile]) {
        if (await isThere(file)) beside.push(await copyFile(file, into, basename(file)));
      }
      const { files, asOf } = await copyCluster(await realpath(cluster), databaseUrl, join(into, CLUSTER));
      return { files: [...beside, ...files.map((file) => ({ ...file, path: `${CLUSTER}/${file.path}` }))], asOf };
    },
  };
}

export interface Replacing {
  dataDir: string;
  /** The data directory may hold a database; it is moved aside. */
  mayReplace: boolean;
  onNotice: (sentence: string) => void;
}

/**
 * Puts a physical backup into a data directory; its server replays the log when it starts. Throws `BackupError` before
 * anything is changed, `EmbeddedPostgresError` where the directory cannot be used.
 */
export async function restorePhysical(
  { folder, manifest }: Backup,
  { dataDir, mayReplace, onNotice }: Replacing,
): Promise<void> {
  const platform = `${process.platform}-${process.arch}`;
  if (manifest.platform !== platform) {
    throw new BackupError(
      `The backup holds the files of a server on ${manifest.platform}, which one on ${platform} cannot read.`,
    );
  }
  if (!mayReplace && (await holdsCluster(dataDir))) {
    const { path } = dataDirectoryAt(dataDir);
    throw new BackupError(
      `${path} holds a database: with --yes it is moved aside within ${path}, or set HOLDFAST_DATA_DIR to another directory.`,
    );
  }
  const { passwordFile, adminKeyFile } = dataDirectoryAt(folder);
  const prefix = `${CLUSTER}/`;
  const paths = manifest.files.map(({ path }) => path);
  const aside = await restoreCluster(
    dataDir,
    {
      folder: join(folder, CLUSTER),
      paths: paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length)),
      passwordFile,
      adminKeyFile: paths.includes(basename(adminKeyFile)) ? adminKeyFile : undefined,
      major: majorOf(manifest.postgres),
    },
    onNotice,
  );
  if (aside !== undefined) onNotice(`What was there is in ${aside}.`);
}

function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
