import type { DataSource } from 'typeorm';
import { migrations } from './data-source';
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

/** The database was migrated by a release after this one, whose rules this one would break. */
export class SchemaTooNew extends Error {
  constructor(unknown: string[]) {
    super(`The database has been migrated by a newer release (${unknown.join(', ')}): run that one.`);
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
