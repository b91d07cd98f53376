import type { DataSource } from 'typeorm';

/** The server's own count, for this database; flushed by each backend at the end of its transaction. */
export async function deadlocks(dataSource: DataSource): Promise<number> {
  await dataSource.query('SELECT pg_stat_clear_snapshot()');
  const [{ deadlocks: count }] = await dataSource.query(
    'SELECT deadlocks::integer FROM pg_stat_database WHERE datname = current_database()',
  );
  return count;
}
