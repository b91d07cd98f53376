import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { databaseFailure } from '../../../src/database/database-errors';
import { dataSourceOptions, migratingConnection, singleConnection } from '../../../src/database/data-source';
import { createDatabase, type TestDatabase } from '../../support/database';
import { startForgetfulPooler } from '../../support/forgetful-pooler';

/** What a role's, or a database's, defaults may say, and what our sessions have all the same. */
const DEFAULTS: [setting: string, byDefault: string, ours: string][] = [
  ['default_transaction_isolation', 'serializable', 'read committed'],
  ['default_transaction_read_only', 'on', 'off'],
  ['default_transaction_deferrable', 'on', 'off'],
  ['synchronous_commit', 'off', 'on'],
  ['synchronous_commit', 'local', 'on'],
  ['synchronous_commit', 'remote_apply', 'remote_apply'],
  ['synchronous_commit', 'remote_write', 'remote_write'],
  ['idle_session_timeout', '1s', '0'],
  ['DateStyle', 'German', 'ISO, MDY'],
  ['IntervalStyle', 'iso_8601', 'postgres'],
  ['TimeZone', 'Asia/Kolkata', 'UTC'],
  ['bytea_output', 'escape', 'hex'],
  ['extra_float_digits', '-15', '1'],
  ['standard_conforming_strings', 'off', 'on'],
  ['array_nulls', 'off', 'on'],
  ['transform_null_equals', 'on', 'off'],
  ['gin_fuzzy_search_limit', '1', '0'],
];

/** In the sessions that serve orders only. */
const SERVING_DEFAULTS: typeof DEFAULTS = [
  ['statement_timeout', '0', '30s'],
  ['lock_timeout', '0', '2s'],
  ['idle_in_transaction_session_timeout', '0', '3s'],
  ['jit', 'on', 'off'],
  ['max_parallel_workers_per_gather', '8', '0'],
  ['max_parallel_maintenance_workers', '8', '0'],
  ['plan_cache_mode', 'force_custom_plan', 'auto'],
  ['enable_partition_pruning', 'off', 'on'],
];

const COMMAND_DEFAULTS: typeof DEFAULTS = [
  ['statement_timeout', '1s', '0'],
  ['lock_timeout', '1s', '0'],
  ['idle_in_transaction_session_timeout', '1s', '0'],
];

describe('the sessions of our connections', () => {
  let database: TestDatabase;
  let role: string;
  /** By that role. */
  let url: string;

  beforeEach(async () => {
    database = await createDatabase();
    role = `role_${randomBytes(8).toString('hex')}`;
    await database.dataSource.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'secret'`);
    const ours = new URL(database.url);
    ours.username = role;
    ours.password = 'secret';
    url = ours.toString();
  });

  afterEach(async () => {
    await database.dataSource.query(`DROP ROLE ${role}`);
    await database.drop();
  });

  const setDefault = (setting: string, value: string) =>
    database.dataSource.query(`ALTER ROLE ${role} SET ${setting} = '${value}'`);

  const pool = { connectionsMax: 1, waitMs: 5000 };
  const serving = (further = {}, at = url) => new DataSource(dataSourceOptions(at, { ...pool, ...further }));

  const inSession = async <Result>(of: DataSource, work: (session: DataSource) => Promise<Result>): Promise<Result> => {
    const session = await of.initialize();
    try {
      return await work(session);
    } finally {
      await session.destroy();
    }
  };

  const shown = async (session: DataSource, setting: string): Promise<string> =>
    (await session.query(`SELECT current_setting('${setting}') AS value`))[0].value;

  const refusal = async (of: DataSource): Promise<Error> => {
    try {
      await inSession(of, () => Promise.resolve());
    } catch (error) {
      return error as Error;
    }
    throw new Error('It was not refused.');
  };

  it.each([...DEFAULTS, ...SERVING_DEFAULTS])(
    'serve with their own %s where a role has %s',
    async (setting, value, ours) => {
      await setDefault(setting, value);
      expect(await inSession(serving(), (session) => shown(session, setting))).toBe(ours);
    },
  );

  it.each([...DEFAULTS, ...COMMAND_DEFAULTS])(
    'of commands have %s of their own where a role has %s',
    async (setting, value, ours) => {
      await setDefault(setting, value);
      expect(await inSession(singleConnection(url), (session) => shown(session, setting))).toBe(ours);
    },
  );

  it('hold what a database has for defaults for no more than a role', async () => {
    const [{ name }] = await database.dataSource.query('SELECT current_database() AS name');
    await database.dataSource.query(`ALTER DATABASE ${name} SET default_transaction_isolation = 'repeatable read'`);
    expect(await inSession(serving(), (session) => shown(session, 'transaction_isolation'))).toBe('read committed');
  });

  it('keep the options that the address has, but for our own', async () => {
    const at = new URL(url);
    at.searchParams.set('options', '-c work_mem=7MB -c default_transaction_isolation=serializable');
    const found = await inSession(serving({}, at.toString()), async (session) => [
      await shown(session, 'work_mem'),
      await shown(session, 'transaction_isolation'),
    ]);
    expect(found).toEqual(['7MB', 'read committed']);
  });

  it('are refused where the address overrides a limit, and the sentence names it and the way out', async () => {
    const at = new URL(url);
    at.searchParams.set('statement_timeout', '60000');
    const { message } = await refusal(serving({}, at.toString()));
    expect(message).toMatch(
      /setting statement_timeout is "1min" in our sessions and has to be "30000": .*DATABASE_URL/,
    );
  });

  it('are refused where triggers and foreign keys are off', async () => {
    await setDefault('session_replication_role', 'replica');
    expect((await refusal(serving())).message).toMatch(
      /session_replication_role is "replica" .* has to be "origin": .*RESET/,
    );
  });

  it.each([
    ['serve orders', serving],
    ['run a command', (_: object, at: string) => singleConnection(at)],
    ['migrate', (_: object, at: string) => migratingConnection(at)],
  ])('that %s are refused behind a pooler that drops what they ask for', async (_, made) => {
    const pooler = await startForgetfulPooler(url);
    try {
      await setDefault('default_transaction_isolation', 'serializable');
      const error = await refusal(made({}, pooler.url));
      expect(error.message).toMatch(/default_transaction_isolation is "serializable" .* has to be "read committed"/);
      expect(error.message).toMatch(/pooler.*ALTER ROLE … SET default_transaction_isolation = 'read committed'\.$/);
      expect(databaseFailure(error)).toBe('unavailable');
    } finally {
      await pooler.close();
    }
  });

  it('do not serve from a server that may lose what it confirmed, unless that is allowed', async () => {
    expect((await refusal(serving({ serves: true }))).message).toMatch(
      /runs with fsync = off .*ALTER SYSTEM SET fsync = on .*ALLOW_UNSAFE_DATABASE=true/,
    );
    await inSession(serving({ serves: true, unsafeAllowed: true }), (session) => session.query('SELECT 1'));
  });

  it('leave the pool once they turn out to take no writes', async () => {
    await inSession(serving(), async (session) => {
      await session.query('SET default_transaction_read_only = on');
      const failed = await session.query('UPDATE vendors SET name = name').catch((error: unknown) => error);
      expect(databaseFailure(failed)).toBe('unavailable');
      await session.query('UPDATE vendors SET name = name');
    });
  });

  it('leave the pool after a transaction that turned out to take no writes, and it hears why', async () => {
    await inSession(serving(), async (session) => {
      await session.query('SET default_transaction_read_only = on');
      const failed = await session
        .transaction((tx) => tx.query('UPDATE vendors SET name = name'))
        .catch((error: unknown) => error);
      expect((failed as { code?: string }).code).toBe('25006');
      await session.transaction((tx) => tx.query('UPDATE vendors SET name = name'));
    });
  });
});
