import type { ClientBase } from 'pg';
import { ReadOnlyServer, UnsafeDatabase, UnsuitableSession } from './session.errors';

/** By PostgreSQL's own names, in the unit that `pg_settings` shows: time-outs are in milliseconds. */
export type SessionSettings = Readonly<Record<string, string | number>>;

/**
 * What our statements rely on, whatever a role's or a database's defaults say. `search_path` is not here: it is how an
 * installation chooses its schema, and tables that it hides are missing, not wrong.
 */
const RELIED_ON: SessionSettings = {
  // Row locks show the newest version of a row only so: FOR NO KEY UPDATE, SKIP LOCKED, ON CONFLICT.
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // How values are written and read.
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: 1,
  standard_conforming_strings: 'on',
  // What a statement answers.
  array_nulls: 'on',
  transform_null_equals: 'off',
  gin_fuzzy_search_limit: 0,
  // A pool ends its idle connections itself.
  idle_session_timeout: 0,
};

/** Nobody but a superuser may set these, or they belong to the database: told, not set. */
const FOUND_ONLY: SessionSettings = {
  client_encoding: 'UTF8',
  server_encoding: 'UTF8',
  session_replication_role: 'origin',
};

/** A statement of the API or worker uses its own core, and no time to compile what runs for milliseconds. */
export const ONE_CORE_EACH: SessionSettings = {
  max_parallel_workers_per_gather: 0,
  max_parallel_maintenance_workers: 0,
  jit: 'off',
  // A plan that was made for one value each time would be made each time.
  plan_cache_mode: 'auto',
  enable_partition_pruning: 'on',
};

/** Off, a crash of the server's machine loses what was confirmed, or the whole database. */
const SAFE_SERVER = ['fsync', 'full_page_writes'] as const;

/**
 * A commit that was answered is on disk. Where a stronger setting is in force (`remote_apply`) it stays, as does
 * `remote_write`. `transaction_timeout` is of PostgreSQL 17: a connection cannot ask an older server for it.
 */
const RAISE = `
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
  SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) <> '0'`;

const FOUND = `
  SELECT name, setting FROM pg_settings WHERE name = ANY($1)
  UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::text`;

/** Of a session that has them all; further ones win. */
export function sessionSettings(further: SessionSettings): SessionSettings {
  return { ...RELIED_ON, ...further };
}

/**
 * The address and the start-up options of a session with these settings. Options that the address has stay in force
 * where they say nothing else.
 */
export function sessionAt(url: string, settings: SessionSettings): { url: string; options: string } {
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${escaped(String(value))}`);
  const address = new URL(url);
  const theirs = address.searchParams.get('options');
  if (theirs === null) return { url, options: ours.join(' ') };
  address.searchParams.delete('options');
  return { url: address.toString(), options: [theirs, ...ours].join(' ') };
}

/** What a server is asked for on a connection that has just been opened. */
export interface Expected {
  settings: SessionSettings;
  /** Whether a server that takes no writes, or may lose what it confirmed, is refused. */
  serves: boolean;
  unsafeAllowed: boolean;
}

/**
 * Asks the server what is in force: a pooler between may have dropped what the connection asked for.
 * Throws `UnsuitableSession`, `ReadOnlyServer` and `UnsafeDatabase`.
 */
export async function verifySession(client: ClientBase, expected: Expected): Promise<void> {
  const wanted: SessionSettings = { ...expected.settings, ...FOUND_ONLY };
  await client.query(RAISE);
  const names = [...Object.keys(wanted), 'synchronous_commit', ...SAFE_SERVER];
  const { rows } = await client.query<{ name: string; setting: string }>(FOUND, [names]);
  const found = new Map(rows.map(({ name, setting }) => [name, setting]));
  if (expected.serves && found.get('in_recovery') === 'true') throw new ReadOnlyServer();
  for (const [name, value] of Object.entries(wanted)) {
    if (found.get(name) !== String(value)) throw new UnsuitableSession(name, found.get(name), String(value));
  }
  const commit = found.get('synchronous_commit')!;
  if (commit === 'off' || commit === 'local') throw new UnsuitableSession('synchronous_commit', commit, 'on');
  const unsafe = SAFE_SERVER.find((name) => found.get(name) === 'off');
  if (unsafe !== undefined && expected.serves && !expected.unsafeAllowed) throw new UnsafeDatabase(unsafe);
}

/** Which of the settings that keep confirmed orders through a crash are off at this server. */
export const UNSAFE_SETTINGS = `
  SELECT name FROM pg_settings WHERE name = ANY('{${SAFE_SERVER.join(',')}}') AND setting = 'off' ORDER BY name`;

/** In start-up options a space separates. */
function escaped(value: string): string {
  return value.replaceAll(/[\\ ]/g, String.raw`\$&`);
}
