import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { dataSourceOptions, singleConnection } from '../../src/database/data-source';
import { startEmbedded } from '../../src/database/embedded/embedded-postgres';
import { migrate } from '../../src/database/migrate';
import { TEMPLATE_DATABASE, urlOfDatabase } from './database';
import { guardLocks } from './lock-guard';
import { newDataDir, removeDataDir } from './data-dir';
import { findBroker } from './rabbitmq';

/** Speed, not durability: the data is thrown away. */
const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' };

/** One PostgreSQL of our own for the whole run, with a migrated template that tests clone; and a broker, if there is one. */
export default async function globalSetup(): Promise<void> {
  const dataDir = newDataDir();
  const server = await startEmbedded({ dataDir, settings });
  process.env['HOLDFAST_TEST_DATABASE_URL'] = server.url;
  // For the processes that tests start.
  process.env['ALLOW_UNSAFE_DATABASE'] = 'true';
  await makeTemplate(server.url);
  const broker = await findBroker();
  if (broker) process.env['HOLDFAST_TEST_RABBITMQ_URL'] = broker.url;
  if (!broker && process.env['REQUIRE_RABBITMQ'] === '1') {
    await server.stop();
    throw new Error('REQUIRE_RABBITMQ=1, and there is no RabbitMQ: set RABBITMQ_URL, or install rabbitmq-server.');
  }
  console.log(`\nRabbitMQ: ${broker ? broker.source : 'none; the suites that need it are skipped'}`);
  (globalThis as { stopTestServers?: () => Promise<void> }).stopTestServers = async () => {
    await broker?.stop?.();
    await server.stop();
    removeDataDir(dataDir);
  };
}

async function makeTemplate(url: string): Promise<void> {
  const admin = new DataSource(dataSourceOptions(url, { connectionsMax: 1, waitMs: 5000 }));
  await admin.initialize();
  await admin.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  await admin.destroy();
  const template = singleConnection(urlOfDatabase(url, TEMPLATE_DATABASE));
  await template.initialize();
  await migrate(template);
  await guardLocks(template);
  await template.destroy();
}
