import { type BigVendor, startBigVendor } from '../../support/vendor';
import { ApiClient } from '../../support/client';
import type { AppProcess } from '../app-process';
import type { StopSteps, Testbed } from '../testbed';

/** Of the vendor that is synced, with us. */
export const VENDOR_ID = 'big';

/** What the steps of the section work with, each a process of its own. */
export interface Surroundings {
  testbed: Testbed;
  worker: AppProcess;
  vendor: BigVendor;
  /** Talks to an API as an operator does. */
  operator: ApiClient;
  skus: number;
}

export async function openSurroundings(testbed: Testbed, stopSteps: StopSteps, skus: number): Promise<Surroundings> {
  // Nobody answers for the vendors of the other sections, and each failed poll is written down.
  await testbed.database.query('UPDATE vendors SET enabled = false');
  const vendor = await startBigVendor({ dialect: 'rest', count: skus, vendorId: VENDOR_ID });
  stopSteps.push(() => vendor.stop());
  const worker = await testbed.startWorker();
  return { testbed, worker, vendor, operator: new ApiClient(testbed.apis[0].url, testbed.adminApiKey), skus };
}

/** No product of anybody, and so no order: where every first load and every merge begins. */
export async function emptyProducts({ database }: Testbed): Promise<void> {
  await database.query('TRUNCATE products CASCADE');
  await database.query('CHECKPOINT');
}

/**
 * Does now what PostgreSQL would do in the background some time after a load, in the middle of what is measured: sets
 * hint bits, merges the text index's pending entries, writes the dirty pages.
 */
export async function tidyProducts({ database }: Testbed): Promise<void> {
  await database.query('VACUUM (ANALYZE) products');
  await database.query('CHECKPOINT');
}

/** Bytes of WAL that the server has written since the position. */
export async function walBytesSince({ database }: Testbed, position: string): Promise<number> {
  const { rows } = await database.query<{ bytes: string }>(
    'SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1) AS bytes',
    [position],
  );
  return Number(rows[0]!.bytes);
}

export async function walPosition({ database }: Testbed): Promise<string> {
  const { rows } = await database.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  return rows[0]!.lsn;
}
