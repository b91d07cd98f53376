import type { DataSource } from 'typeorm';
import { migrations } from './data-source';
import { SchemaTooNew } from './schema-too-new';
import { type Connection, rows } from './sql';

/** Arbitrary, but ours: whoever migrates holds this advisory lock. */
const MIGRATION_LOCK = 4_812_006_173;

/** Applies what is pending and answers its names. Safe twice, and from two places at once: the second waits. Throws `SchemaTooNew`. */
export async function migrate(dataSource: DataSource): Promise<string[]> {
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await pendingMigrations(dataSource.manager);
    return (await dataSource.runMigrations()).map(({ name }) => name);
  } finally {
    await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await lock.release();
  }
}

/** Names of the migrations this release has and the database has not. Throws `SchemaTooNew`. */
export async function pendingMigrations(on: Connection): Promise<string[]> {
  const [{ exists }] = (await rows<{ exists: boolean }>(
    on,
    `SELECT to_regclass('migrations') IS NOT NULL AS exists`,
  )) as [{ exists: boolean }];
  const applied = exists ? await rows<{ name: string }>(on, 'SELECT name FROM migrations') : [];
  const known = migrations.map(({ name }) => name);
  const present = applied.map(({ name }) => name);
  const unknown = present.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new SchemaTooNew(unknown);
  return known.filter((name) => !present.includes(name));
}
