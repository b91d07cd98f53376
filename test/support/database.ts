import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/database/data-source';

export const TEMPLATE_DATABASE = 'holdfast_template';

export interface TestDatabase {
  dataSource: DataSource;
  url: string;
  drop(): Promise<void>;
}

/** A migrated, empty database of the test's own. */
export async function createDatabase(): Promise<TestDatabase> {
  return cloneOf(TEMPLATE_DATABASE);
}

/** A database without any table. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return cloneOf('template1');
}

export function urlOfDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.toString();
}

async function cloneOf(template: string): Promise<TestDatabase> {
  const serverUrl = process.env['HOLDFAST_TEST_DATABASE_URL']!;
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdmin(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = urlOfDatabase(serverUrl, name);
  const dataSource = await new DataSource(dataSourceOptions(url, { connectionsMax: 20, waitMs: 10_000 })).initialize();
  return {
    dataSource,
    url,
    drop: async () => {
      if (dataSource.isInitialized) await dataSource.destroy();
      await asAdmin(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function asAdmin(serverUrl: string, statement: string): Promise<void> {
  const admin = await new DataSource(dataSourceOptions(serverUrl, { connectionsMax: 1, waitMs: 10_000 })).initialize();
  try {
    await admin.query(statement);
  } finally {
    await admin.destroy();
  }
}
