import { startEmbedded } from '../../database/embedded/embedded-postgres';
import { finishRestore } from '../../database/embedded/restoring';
import { BackupError } from './backup.errors';
import { restoreDump } from './dump';
import type { Backup } from './manifest';
import { restorePhysical } from './physical';
import { WholeDatabase } from './whole-database.repository';

export interface RestoreOrder {
  /** An external database; undefined: the embedded one in the data directory. */
  databaseUrl: string | undefined;
  dataDir: string;
  /** A data directory may hold a database; it is moved aside. */
  mayReplace: boolean;
  /** Every vendor's dispatch waits for an operator. */
  paused: boolean;
  /** Where programs are looked for. */
  searchPath: string;
  onNotice: (sentence: string) => void;
}

/**
 * Restores a backup that was read, and sees that the database is there. Throws `BackupError` and `EmbeddedPostgresError`; what
 * was there before is then where it was, or moved aside.
 */
export async function restore(backup: Backup, order: RestoreOrder): Promise<void> {
  const { databaseUrl, dataDir, searchPath, onNotice } = order;
  if (backup.manifest.method === 'dump') {
    if (databaseUrl === undefined) {
      throw new BackupError('The backup is a dump of an external database: set DATABASE_URL to an empty database.');
    }
    await restoreDump(backup, databaseUrl, searchPath);
    return concludeDump(backup, order, databaseUrl);
  }
  if (databaseUrl !== undefined) {
    throw new BackupError('The backup holds the files of an embedded database: unset DATABASE_URL to restore it.');
  }
  await restorePhysical(backup, order);
  const server = await startEmbedded({ dataDir, onNotice, restoring: true });
  try {
    await conclude(backup, order, server.url);
    await finishRestore(dataDir);
  } finally {
    await server.stop();
  }
}

/** The tables are there already, so an application that starts now finds them. */
async function concludeDump(backup: Backup, order: RestoreOrder, databaseUrl: string): Promise<void> {
  try {
    await conclude(backup, order, databaseUrl);
    // Plans made without statistics read whole tables, and a dump has none.
    await WholeDatabase.at(databaseUrl, (database) => database.analyze());
  } catch (cause) {
    const { message } = cause as Error;
    throw new BackupError(
      `${message}\nThe tables were restored, but the restore is not finished: drop this database and restore into a new one.`,
      { cause },
    );
  }
}

function conclude({ manifest }: Backup, { paused }: RestoreOrder, databaseUrl: string): Promise<void> {
  return WholeDatabase.at(databaseUrl, async (database) => {
    if (paused) await database.pauseVendors();
    await database.doubtPendingSince(manifest.asOf);
    const { migrations } = await database.standing();
    if (migrations.join() !== manifest.migrations.join()) {
      throw new BackupError('The restored database is another one than its manifest says: do not use it.');
    }
  });
}
