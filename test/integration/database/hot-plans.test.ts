import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientBase } from 'pg';
import type { QueryRunner } from 'typeorm';
import { StatisticsRefresh } from '../../../src/database/statistics-refresh';
import { createApp, type TestApp } from '../../support/app';
import { hotStatements, type HotStatement } from '../../support/hot-statements';

/** `PLAN_ROWS=1000000` for the long form. */
const ROWS = Number(process.env['PLAN_ROWS'] ?? 30_000);
/** What grows with orders or products; the others have a row, or a few, for each vendor. */
const GROWING = /^(orders|order_events|dispatch_attempts|outbox|idempotency_keys|products.*)$/;

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Plans?: Plan[];
}

/**
 * The worst day to begin: every table is empty and vacuumed, and a connection makes and keeps its plans. Then everything grows,
 * and nobody vacuums.
 */
describe('the plans that a connection keeps', () => {
  let app: TestApp;
  let runner: QueryRunner;
  let connection: ClientBase;
  let statements: HotStatement[];

  beforeEach(async () => {
    app = await createApp();
    await app.register({ vendorId: 'acme', baseUrl: 'http://127.0.0.1:1' });
    statements = await hotStatements(app);
    await app.dataSource.query('VACUUM ANALYZE');
    runner = app.dataSource.createQueryRunner();
    connection = (await runner.connect()) as ClientBase;
    await connection.query('DEALLOCATE ALL; SET plan_cache_mode = force_generic_plan');
    for (const { name, text } of statements) await connection.query(`PREPARE "${name}" AS ${text}`);
  }, 180_000);

  afterEach(async () => {
    await connection.query('RESET plan_cache_mode; DEALLOCATE ALL');
    await runner.release();
    await app.close();
  });

  /** The plan that this connection has, or makes and keeps. */
  const planOf = async ({ name, text }: HotStatement): Promise<Plan> => {
    const parameters = Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
    const values = parameters === 0 ? '' : `(${Array.from({ length: parameters }, () => 'NULL').join(', ')})`;
    const { rows } = await connection.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE "${name}"${values}`,
    );
    return rows[0]!['QUERY PLAN'][0].Plan;
  };

  const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

  /** Reads of what grows that are not by the first column of an index. */
  const readsTooMuch = (plan: Plan, leading: Map<string, string>, filled: Set<string>): string[] =>
    nodesOf(plan).flatMap((node) => {
      const { 'Node Type': type, 'Relation Name': table = '', 'Index Name': index = '', 'Index Cond': by = '' } = node;
      if (type === 'Seq Scan' && filled.has(table)) return [`${table} whole`];
      const column = leading.get(index);
      return column !== undefined && !by.includes(column) ? [`all of ${index} (${type})`] : [];
    });

  /** By the name of an index on what grows, its first column. */
  const leadingColumns = async (): Promise<Map<string, string>> => {
    const found = await app.dataSource.query<{ index: string; table: string; column: string }[]>(
      `SELECT i.indexrelid::regclass::text AS index, i.indrelid::regclass::text AS table, a.attname AS column
       FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]`,
    );
    return new Map(found.filter(({ table }) => GROWING.test(table)).map(({ index, column }) => [index, column]));
  };

  /** Of what grows, those that have rows: a partition without any is read whole for nothing. */
  const filledTables = async (): Promise<Set<string>> => {
    const found = await app.dataSource.query<{ name: string }[]>(
      `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) > 0`,
    );
    return new Set(found.map(({ name }) => name).filter((name) => GROWING.test(name)));
  };

  const faults = async (): Promise<Record<string, string[]>> => {
    const leading = await leadingColumns();
    const filled = await filledTables();
    const found: Record<string, string[]> = {};
    for (const statement of statements) {
      const reads = readsTooMuch(await planOf(statement), leading, filled);
      if (reads.length > 0) found[statement.name] = [...new Set(reads)];
    }
    return found;
  };

  const indexesOf = async (): Promise<Record<string, string[]>> => {
    const used: Record<string, string[]> = {};
    for (const statement of statements) {
      const names = nodesOf(await planOf(statement)).flatMap((node) => node['Index Name'] ?? []);
      used[statement.name] = [...new Set(names)].toSorted();
    }
    return used;
  };

  /** From `from` on; as placing and dispatch leave them behind. */
  const fill = async (from: number, to: number): Promise<void> => {
    await app.dataSource.transaction(async (tx) => {
      await tx.query(`SET LOCAL statement_timeout = 0`);
      await tx.query(`SET LOCAL session_replication_role = replica`);
      const n = `generate_series(${from}, ${to - 1}) n`;
      await tx.query(
        `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
         SELECT 'acme', 'acme:S' || n, 'S' || n, 'Article', 1, 1000, now(), now() FROM ${n}`,
      );
      await tx.query(
        `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency,
                             available_quantity, client)
         SELECT 'order-' || n, 'acme', 'acme:S' || n, 1, 1, 1, 'USD', 1, 'test' FROM ${n}`,
      );
      await tx.query(`INSERT INTO order_events (order_id, type, detail) SELECT 'order-' || n, 'placed', '' FROM ${n}`);
      await tx.query(
        `INSERT INTO dispatch_attempts (order_id, token, deadline_at) SELECT 'order-' || n, n, now() FROM ${n}`,
      );
      await tx.query(
        `INSERT INTO outbox (message_id, vendor_id, subject, type, payload, attempt)
         SELECT 'm-' || n, 'acme', 'order-' || n, 'order.placed.v1', '{}', 1 FROM ${n}`,
      );
      await tx.query(
        `INSERT INTO idempotency_keys (client, route, key, fingerprint, status, answer, expires_at)
         SELECT 'test', 'orders', 'key-' || n, ''::bytea, 201, '{}', now() FROM ${n}`,
      );
    });
  };

  it('read what has grown by the first column of an index within a second, and stay so while it grows on', async () => {
    await indexesOf(); // every plan is made, and kept
    await fill(0, ROWS / 10);
    expect(Object.keys(await faults())).toContain('place-if-all-fit');
    await app.context.get(StatisticsRefresh).runOnce();
    expect(await faults()).toEqual({});
    const early = await indexesOf();
    await fill(ROWS / 10, ROWS);
    expect(await indexesOf()).toEqual(early);
    await app.dataSource.query('VACUUM ANALYZE');
    expect(await faults()).toEqual({});
    expect(await indexesOf()).toEqual(early);
  }, 600_000);

  it('are those of all statements that are given a name', () => {
    const root = join(__dirname, '..', '..', '..');
    const files = execFileSync('git', ['ls-files', 'src'], { cwd: root, encoding: 'utf8' }).split('\n');
    const sources = files.filter((file) => file.endsWith('.ts')).map((file) => readFileSync(join(root, file), 'utf8'));
    const named = sources.flatMap(namesIn);
    expect(statements.map(({ name }) => name).toSorted()).toEqual([...new Set(named)].toSorted());
  });

  it('are made anew for no table that has not grown', async () => {
    await fill(0, 1000);
    const refresh = app.context.get(StatisticsRefresh);
    expect(await refresh.runOnce()).toEqual(expect.arrayContaining(['orders', 'idempotency_keys', 'outbox']));
    expect(await refresh.runOnce()).toEqual([]);
  });
});

/** Of what a file has prepared: said at the call, or beside one of several texts that the call chooses from. */
function namesIn(source: string): string[] {
  const calls = [...source.matchAll(/\bprepared(?:<[^()]*?>)?\(\s*[\w.]+,\s*(?:'([\w-]+)')?/g)];
  const chosen = [...source.matchAll(/\['([\w-]+)', [A-Z_]+\]/g)].map(([, name]) => name!);
  if (calls.some(([, name]) => name === undefined)) expect(chosen.length).toBeGreaterThan(0);
  return [...calls.flatMap(([, name]) => name ?? []), ...chosen];
}
