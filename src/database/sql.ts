import type { ClientBase, QueryResultRow } from 'pg';
import type { EntityManager, QueryRunner } from 'typeorm';

/** An open transaction, passed by hand to whoever writes in it; never ambient. */
export type Transaction = EntityManager;

/** Where a statement runs: an open transaction, or `dataSource.manager` for a statement of its own. */
export type Connection = EntityManager;

/**
 * Runs one statement and answers its rows, whatever the statement is.
 * (TypeORM answers rows for SELECT and INSERT, but `[rows, count]` for UPDATE and DELETE.)
 */
export async function rows<Row>(on: Connection, statement: string, values: unknown[] = []): Promise<Row[]> {
  const result: unknown = await on.query(statement, values);
  if (Array.isArray(result) && result.length === 2 && Array.isArray(result[0]) && typeof result[1] === 'number') {
    return result[0] as Row[];
  }
  return result as Row[];
}

/** The single row of a statement that answers at most one. */
export async function row<Row>(on: Connection, statement: string, values: unknown[] = []): Promise<Row | undefined> {
  return (await rows<Row>(on, statement, values))[0];
}

/**
 * Runs a statement that the server plans once a connection and keeps under its name: for the hot path, where planning
 * (partitioned tables above all) would cost more than running. One name, one text.
 */
export async function prepared<Row>(on: Connection, name: string, text: string, values: unknown[]): Promise<Row[]> {
  if (on.queryRunner) return preparedOn(on.queryRunner, name, text, values);
  const runner = on.dataSource.createQueryRunner();
  try {
    return await preparedOn<Row>(runner, name, text, values);
  } finally {
    await runner.release();
  }
}

async function preparedOn<Row>(runner: QueryRunner, name: string, text: string, values: unknown[]): Promise<Row[]> {
  const client = (await runner.connect()) as ClientBase;
  return (await client.query<QueryResultRow>({ name, text, values })).rows as Row[];
}
