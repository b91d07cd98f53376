import type { DataSource } from 'typeorm';

/** How many sessions of this database wait for somebody else's lock. */
export async function lockWaits(dataSource: DataSource): Promise<number> {
  const [{ waiting }] = await dataSource.query(
    `SELECT count(*)::integer AS waiting FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return waiting;
}
