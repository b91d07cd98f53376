import type { ClientBase, QueryResult } from 'pg';
import { ReadOnlyServer, UnsafeDatabase, UnsuitableSession } from './session.errors';

/** By PostgreSQL's own names; time-outs are in milliseconds. */
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
  enable_seqscan: 'on',
  enable_indexscan: 'on',
  enable_indexonlyscan: 'on',
  enable_nestloop: 'on',
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

/** `current_setting`, not `pg_settings`: that view reads all 350 of them, and every new connection asks. */
const found = (names: string[]): string => `
  SELECT name, current_setting(name, true) AS setting FROM unnest('{${names.join(',')}}'::text[]) AS name
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
  const inForce = await settingsOf(client, [...Object.keys(wanted), 'synchronous_commit', ...SAFE_SERVER]);
  if (expected.serves && inForce.get('in_recovery') === 'true') throw new ReadOnlyServer();
  for (const [name, value] of Object.entries(wanted)) {
    if (!isSame(inForce.get(name), value)) throw new UnsuitableSession(name, inForce.get(name), String(value));
  }
  const commit = inForce.get('synchronous_commit')!;
  if (commit === 'off' || commit === 'local') throw new UnsuitableSession('synchronous_commit', commit, 'on');
  const unsafe = SAFE_SERVER.find((name) => inForce.get(name) === 'off');
  if (unsafe !== undefined && expected.serves && !expected.unsafeAllowed) throw new UnsafeDatabase(unsafe);
}

/** Which of the settings that keep confirmed orders through a crash are off at this server. */
export const UNSAFE_SETTINGS = `
  SELECT name FROM pg_settings WHERE name = ANY('{${SAFE_SERVER.join(',')}}') AND setting = 'off' ORDER BY name`;

/** In one round trip. */
async function settingsOf(client: ClientBase, names: string[]): Promise<Map<string, string>> {
  const results: unknown = await client.query(`${RAISE};${found(names)}`);
  const { rows } = (results as QueryResult<{ name: string; setting: string }>[]).at(-1)!;
  return new Map(rows.map(({ name, setting }) => [name, setting]));
}

const MS_OF: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** Of numbers the server shows time-outs in the largest unit that fits, such as 30s. */
function isSame(shown: string | undefined, value: string | number): boolean {
  if (typeof value === 'string') return shown === value;
  const [, count, unit] = /^(-?\d+)(ms|s|min|h|d)?$/.exec(shown ?? '') ?? [];
  return count !== undefined && Number(count) * (unit === undefined ? 1 : MS_OF[unit]!) === value;
}

/** In start-up options a space separates. */
function escaped(value: string): string {
  return value.replaceAll(/[\\ ]/g, String.raw`\$&`);
}
