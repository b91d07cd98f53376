import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { Config } from '../../src/config/config';
import { DatabaseConnector } from '../../src/database/database-connector';
import { processModule } from '../../src/launch/process-module';
import type { Message } from '../../src/messaging/message';
import { StockSync } from '../../src/stock/sync/stock-sync';
import { VendorRegistry } from '../../src/vendors/vendor-registry';
import type { Vendor } from '../../src/vendors/vendor';
import { createDatabase, type TestDatabase } from './database';

/** Both halves of the app in this process, wired as in production, with nothing running by itself: tests take each step. */
export interface TestApp {
  context: INestApplicationContext;
  dataSource: DataSource;
  database: TestDatabase;
  /** Registers a vendor; what is left out is as harmless as can be. */
  register(
    vendor: Partial<Vendor> & { vendorId: string; baseUrl: string },
    options?: { moved?: boolean },
  ): Promise<void>;
  /** Polls the vendor once, now. */
  sync(vendorId: string): Promise<Awaited<ReturnType<StockSync['run']>>>;
  /** Takes every message out of the outbox, due or not, oldest first. */
  takeMessages(): Promise<Message[]>;
  /** Another process on the same database; it ends with this one. */
  another(): Promise<INestApplicationContext>;
  close(): Promise<void>;
}

/** `by`: the way the app takes to its database; the test's own connections go straight to it. */
export async function createApp(
  env: Record<string, string> = {},
  by: (databaseUrl: string) => Promise<string> = (url) => Promise.resolve(url),
): Promise<TestApp> {
  const database = await createDatabase();
  const DATABASE_URL = await by(database.url);
  const config = Config.read({ ...quietAndPatient, ...env, DATABASE_URL });
  const context = await startContext(config);
  const others: INestApplicationContext[] = [];
  const { dataSource } = database;
  return {
    context,
    dataSource,
    database,
    register: async (vendor, options) => {
      await context.get(VendorRegistry).put({ ...harmless, name: vendor.vendorId, ...vendor }, options);
    },
    sync: (vendorId) => syncNow(context, dataSource, vendorId),
    takeMessages: () => takeMessages(dataSource),
    another: async () => {
      const other = await startContext(config);
      others.push(other);
      return other;
    },
    close: async () => {
      for (const each of [...others, context]) await each.close();
      await database.drop();
    },
  };
}

/** A busy machine makes many callers wait; what becomes of one that waits too long is no other test's matter. */
const quietAndPatient = {
  LOG_LEVEL: 'silent',
  DATABASE_POOL_MAX: '30',
  DATABASE_POOL_WAIT_MS: '30000',
  ALLOW_UNSAFE_DATABASE: 'true',
};

async function startContext(config: Config): Promise<INestApplicationContext> {
  const context = await NestFactory.createApplicationContext(processModule('all', config), { logger: false });
  await context.get(DatabaseConnector).connect();
  return context;
}

const harmless = {
  kind: 'rest',
  enabled: true,
  syncIntervalMs: null,
  fullSyncIntervalMs: null,
  feedMaxAgeMs: null,
  staleStock: { policy: 'sell' as const, bufferQuantity: 0 },
  maxConcurrentOrders: 8,
  credentialEnv: null,
  clockMarginMs: 0,
  consistencyLagMs: 0,
  deliveryAttemptsMax: null,
};

async function syncNow(context: INestApplicationContext, dataSource: DataSource, vendorId: string) {
  const later = `sync_due_at = now() + interval '1 hour'`;
  await dataSource.query(`UPDATE vendors SET ${later}, sync_leased_until = NULL`);
  await dataSource.query('UPDATE vendors SET sync_due_at = now() WHERE vendor_id = $1', [vendorId]);
  const sync = context.get(StockSync);
  const lease = (await sync.takeDue())!;
  const result = await sync.run(lease, new AbortController().signal);
  await sync.release(lease, 3_600_000);
  return result;
}

async function takeMessages(dataSource: DataSource): Promise<Message[]> {
  const [taken] = await dataSource.query<[(Message & { outbox_id: string })[], number]>(
    `DELETE FROM outbox RETURNING outbox_id, message_id AS "messageId", type, vendor_id AS "vendorId", subject, payload,
            traceparent, attempt`,
  );
  return taken
    .toSorted((a, b) => Number(a.outbox_id) - Number(b.outbox_id))
    .map(({ messageId, type, vendorId, subject, payload, traceparent, attempt }) => ({
      messageId,
      type,
      vendorId,
      subject,
      payload,
      traceparent,
      attempt,
    }));
}
