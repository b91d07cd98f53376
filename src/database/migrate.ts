import { setTimeout as pause } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { migrations } from './data-source';
import { databaseFailure } from './database-errors';
import { HalfRestored } from './half-restored';
import { SchemaTooNew } from './schema-too-new';
import { type Connection, row, rows } from './sql';

/** Arbitrary, but ours: whoever migrates holds this advisory lock. */
const MIGRATION_LOCK = 4_812_006_173;

/** A quarter of an hour, together with waiting for the locks: a dump of a large database holds them as long as it takes. */
const TRIES_MAX = 300;
const RETRY_PAUSE_MS = 1000;
const LOCKED =
  'Waiting for a table that somebody else reads or writes in a long transaction, such as pg_dump; orders go on meanwhile.';

/**
 * Applies what is pending and answers its names. Safe twice, and from two places at once: the second waits. `onNotice` is told
 * once that it waits for tables. Throws `SchemaTooNew` and `HalfRestored`.
 */
export async function migrate(
  dataSource: DataSource,
  onNotice: (sentence: string) => void = () => undefined,
): Promise<string[]> {
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SET lock_timeout = 0');
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return await applyPending(dataSource, onNotice);
  } finally {
    await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await lock.query('RESET lock_timeout').catch(() => undefined);
    await lock.release();
  }
}

/** Each migration is a transaction, so those that are done stay so when the next finds its tables in use. */
async function applyPending(dataSource: DataSource, onNotice: (sentence: string) => void): Promise<string[]> {
  const pending = await pendingMigrations(dataSource.manager);
  for (let tries = 1; ; tries++) {
    try {
      await dataSource.runMigrations();
      return pending;
    } catch (error) {
      if (databaseFailure(error) !== 'conflict' || tries === TRIES_MAX) throw error;
      if (tries === 1) onNotice(LOCKED);
      await pause(RETRY_PAUSE_MS);
    }
  }
}

/** Names of the migrations this release has and the database has not. Throws `SchemaTooNew` and `HalfRestored`. */
export async function pendingMigrations(on: Connection): Promise<string[]> {
  const found = await row<{ migrations: boolean; orders: boolean }>(
    on,
    `SELECT to_regclass('migrations') IS NOT NULL AS migrations, to_regclass('orders') IS NOT NULL AS orders`,
  );
  const applied = found!.migrations ? await rows<{ name: string }>(on, 'SELECT name FROM migrations') : [];
  if (found!.migrations && found!.orders && applied.length === 0) throw new HalfRestored();
  const known = migrations.map(({ name }) => name);
  const present = applied.map(({ name }) => name);
  const unknown = present.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new SchemaTooNew(unknown);
  return known.filter((name) => !present.includes(name));
}
