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
    await restoreDump(backup, databaseUrl, searchPath, () =>
      WholeDatabase.at(databaseUrl, async (database) => {
        await lookUpFirst(database, backup, order);
        // Plans made without statistics read whole tables, and a dump has none.
        await database.analyze();
      }),
    );
    return WholeDatabase.at(databaseUrl, (database) => compare(database, backup));
  }
  if (databaseUrl !== undefined) {
    throw new BackupError('The backup holds the files of an embedded database: unset DATABASE_URL to restore it.');
  }
  await restorePhysical(backup, order);
  const server = await startEmbedded({ dataDir, onNotice, restoring: true });
  try {
    await WholeDatabase.at(server.url, async (database) => {
      await lookUpFirst(database, backup, order);
      await compare(database, backup);
    });
    await finishRestore(dataDir);
  } finally {
    await server.stop();
  }
}

async function lookUpFirst(database: WholeDatabase, { manifest }: Backup, { paused }: RestoreOrder): Promise<void> {
  if (paused) await database.pauseVendors();
  await database.doubtPendingSince(manifest.asOf);
}

async function compare(database: WholeDatabase, { manifest }: Backup): Promise<void> {
  const { migrations } = await database.standing();
  if (migrations.join() !== manifest.migrations.join()) {
    throw new BackupError('The restored database is another one than its manifest says: do not use it.');
  }
}
