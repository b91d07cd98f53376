import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { ClientBase } from 'pg';
import { DataSource, type DataSourceOptions, type Logger } from 'typeorm';
import { InitialSchema1764000000000 } from './migrations/1764000000000-initial-schema';
import { Checkouts1764100000000 } from './migrations/1764100000000-checkouts';
import { Cancellation1764200000000 } from './migrations/1764200000000-cancellation';
import { StockRules1764300000000 } from './migrations/1764300000000-stock-rules';
import { StockSync1764400000000 } from './migrations/1764400000000-stock-sync';
import { ProductSearch1764500000000 } from './migrations/1764500000000-product-search';
import { Recall1764550000000 } from './migrations/1764550000000-recall';
import { Breakers1764600000000 } from './migrations/1764600000000-breakers';
import { DeadLetters1764700000000 } from './migrations/1764700000000-dead-letters';
import { Leases1764800000000 } from './migrations/1764800000000-leases';
import { SharedMetrics1764900000000 } from './migrations/1764900000000-shared-metrics';
import { Reconciliation1765000000000 } from './migrations/1765000000000-reconciliation';
import { OrderTraces1765100000000 } from './migrations/1765100000000-order-traces';
import { StockGuards1765810000000 } from './migrations/1765810000000-stock-guards';
import { FullPolledAt1765200000000 } from './migrations/1765200000000-full-polled-at';
import { VendorAddresses1765510000000 } from './migrations/1765510000000-vendor-addresses';
import { ReconciliationFailures1765600000000 } from './migrations/1765600000000-reconciliation-failures';
import { ReconciliationProgress1765601000000 } from './migrations/1765601000000-reconciliation-progress';
import { OrderLists1765602000000 } from './migrations/1765602000000-order-lists';
import { ONE_CORE_EACH, sessionAt, sessionSettings, type SessionSettings, verifySession } from './session';

/** A statement of the API or worker that takes longer is ended by the server. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Of a list or search: whoever reads more than that at a time has to narrow it. */
export const LIST_TIMEOUT_MS = 2000;
/**
 * A server that lives has said something by then, if only that a statement took too long. One that lost its power, or whose
 * connection a router forgot, says nothing for the quarter of an hour that the system goes on sending.
 */
const SILENT_MS_MAX = STATEMENT_TIMEOUT_MS + 5000;
/**
 * Waiting longer for a row lock means somebody else is stuck; who waits keeps a connection and what it has locked itself, and
 * what it was to do is tried again later.
 */
const LOCK_TIMEOUT_MS = 2000;
/** Much less than anything of an order waits for its locks: whatever wants the same table queues behind a migration that waits. */
const MIGRATION_LOCK_TIMEOUT_MS = 1000;
/**
 * An open transaction of a frozen process must not hold its locks, or an old snapshot, for long. None of ours waits for anybody
 * between two statements, so a process that says nothing for so long is frozen, or too busy to be waited for.
 */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 3000;
const LIMITS = {
  statement_timeout: STATEMENT_TIMEOUT_MS,
  lock_timeout: LOCK_TIMEOUT_MS,
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
};
const NO_LIMITS = { statement_timeout: 0, lock_timeout: 0, idle_in_transaction_session_timeout: 0 };
/** Plans follow the tables' growth by themselves (decision 22); a connection's own memory in the server is given back now and then. */
const CONNECTION_SECONDS_MAX = 600;
/** A write in a transaction that may only read. */
const READ_ONLY = '25006';

/** Told or not, a migration that fails would be said on standard output; whoever migrates hears of it by its error. */
const SILENT: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

export interface PoolOptions {
  connectionsMax: number;
  /** How long a caller waits for a free connection. */
  waitMs: number;
  /** How long a connection may say nothing before it is given up. */
  silentMsMax?: number;
  /** Whether it serves orders: then a server that takes no writes, or may lose what it confirmed, is refused. */
  serves?: boolean;
  /** `ALLOW_UNSAFE_DATABASE`. */
  unsafeAllowed?: boolean;
  /** Of its sessions, beside what all have. */
  settings?: SessionSettings;
}

export const migrations = [
  InitialSchema1764000000000,
  Checkouts1764100000000,
  Cancellation1764200000000,
  StockRules1764300000000,
  StockSync1764400000000,
  ProductSearch1764500000000,
  Recall1764550000000,
  Breakers1764600000000,
  DeadLetters1764700000000,
  Leases1764800000000,
  SharedMetrics1764900000000,
  Reconciliation1765000000000,
  OrderTraces1765100000000,
  StockGuards1765810000000,
  FullPolledAt1765200000000,
  VendorAddresses1765510000000,
  ReconciliationFailures1765600000000,
  ReconciliationProgress1765601000000,
  OrderLists1765602000000,
];

/** Throws `UnsuitableSession` and `UnsafeDatabase` at a connection that is not what we rely on. */
export function dataSourceOptions(url: string, pool: PoolOptions): DataSourceOptions {
  const { serves = false, unsafeAllowed = false } = pool;
  const settings = sessionSettings({ ...ONE_CORE_EACH, ...LIMITS, ...pool.settings });
  const session = sessionAt(url, settings);
  return {
    type: 'postgres',
    url: session.url,
    applicationName: 'holdfast',
    migrations,
    migrationsTransactionMode: 'each',
    synchronize: false,
    logging: false,
    logger: SILENT,
    installExtensions: false,
    poolSize: pool.connectionsMax,
    connectTimeoutMS: pool.waitMs,
    // An idle connection that dies is replaced at its next use; the pool needs nothing else from us.
    poolErrorHandler: () => undefined,
    extra: {
      keepAlive: true,
      onConnect: async (client: ClientBase) => {
        survivesItsEnd(client);
        endsInSilence(client, pool.silentMsMax ?? SILENT_MS_MAX);
        endsWhenReadOnly(client);
        await verifySession(client, { settings, serves, unsafeAllowed });
      },
      options: session.options,
      maxLifetimeSeconds: CONNECTION_SECONDS_MAX,
    },
  };
}

/** For migrations and commands: one connection, and as long as a statement needs, whatever the role's defaults. */
export function singleConnection(url: string, limits: Partial<typeof LIMITS> = {}): DataSource {
  const settings = sessionSettings({ ...NO_LIMITS, ...limits });
  const session = sessionAt(url, settings);
  const onConnect = async (client: ClientBase): Promise<void> => {
    survivesItsEnd(client);
    await verifySession(client, { settings, serves: false, unsafeAllowed: true });
  };
  const options = dataSourceOptions(session.url, { connectionsMax: 2, waitMs: 10_000 });
  return new DataSource({ ...options, extra: { keepAlive: true, onConnect, options: session.options } });
}

/** For `migrate`, which asks again: whoever wants the same table queues behind a lock that is waited for. */
export function migratingConnection(url: string): DataSource {
  return singleConnection(url, {
    lock_timeout: MIGRATION_LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
  });
}

/**
 * Between a connection's first sign of life and the moment somebody listens to it lies a turn of the event loop, and a
 * server that goes away just then says so in the same packet: unheard, that would end the process. Who uses the
 * connection hears of it all the same, from the statement that fails.
 */
function survivesItsEnd(client: ClientBase): void {
  client.on('error', () => undefined);
}

function endsInSilence(client: ClientBase, silentMsMax: number): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const silent = Object.assign(new Error('The database has said nothing for too long'), { code: 'ETIMEDOUT' });
  stream.setTimeout(silentMsMax, () => stream.destroy(silent));
}

/** A session that turns out to take no writes is at a server that was a primary: its next one may be at the new one. */
function endsWhenReadOnly(client: ClientBase): void {
  const { connection } = client as unknown as { connection: EventEmitter };
  connection.on('errorMessage', ({ code }: { code?: string }) => {
    // At once, and not when the socket says so: its pool must not give it to the next one in between.
    if (code === READ_ONLY) connection.emit('error', Object.assign(new Error('The session takes no writes'), { code }));
  });
}
