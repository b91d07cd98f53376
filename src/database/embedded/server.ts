import { closeSync, openSync } from 'node:fs';
import { readFile, stat, truncate } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import type { Account } from './account';
import type { Binaries } from './binaries';
import { type Cluster, DATABASE_USER } from './cluster';
import { EmbeddedPostgresError } from './embedded-postgres.errors';
import { listeningPort, stopLeftOver } from './left-over';
import { type WatchedServer, startWatched } from './watchdog';

/** A server that answers on a port of 127.0.0.1. Its log is cut at the next start only, not while it runs. */
export interface RunningServer {
  port: number;
  ended: Promise<void>;
  stop(): Promise<void>;
}

export interface ServerOrder {
  cluster: Cluster;
  binaries: Binaries;
  account: Account | undefined;
  settings: Record<string, string>;
  logFile: string;
  onNotice: (sentence: string) => void;
}

export const DATABASE_NAME = 'holdfast';

/** Room for the replay of max_wal_size after a crash, at 2 MB/s. Broken off, it would begin anew at each start. */
const START_MS_MAX = 600_000;
/** A passing trouble that does not pass is a trouble. */
const TROUBLE_MS_MAX = 15_000;
const READY_POLL_MS = 10;
const RETRY_PAUSE_MS = 100;
const LOG_BYTES_MAX = 10 * 1024 * 1024;

/** Durable, and modest with memory; everything else is PostgreSQL's default. */
const SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '128MB',
  max_connections: '100',
  max_wal_size: '1GB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  cluster_name: 'holdfast', // shown by ps
};

/** Not for anyone to change: who may connect, and what we read in the log. */
const FIXED_SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  logging_collector: 'off',
  lc_messages: 'C',
};

/**
 * Troubles that pass: someone took the port between our choice and the server's; the backends of a killed server, or
 * the server of a killed start, are still on their way out.
 */
const PASSING_TROUBLE = /could not bind|TCP\/IP sockets|pre-existing shared memory|lock file "postmaster.pid"/;

/** How a connection fails while the server comes up or goes down. */
const NOT_YET = ['ECONNREFUSED', 'ECONNRESET', '57P01', '57P03'];

/** Starts the server and waits until the database answers. Only for the process that owns the data directory. */
export async function runServer(order: ServerOrder): Promise<RunningServer> {
  const { cluster, binaries, account, logFile, onNotice } = order;
  const clearTheWay = (): Promise<number | undefined> => stopLeftOver(cluster.path, binaries, account);
  const patience = performance.now() + TROUBLE_MS_MAX;
  await cutLog(logFile);
  for (;;) {
    const stopped = await clearTheWay();
    if (stopped !== undefined) onNotice(`Stopped the PostgreSQL server (process ${stopped}) of a run that was killed.`);
    const logStart = await sizeOf(logFile);
    const port = await freePort();
    const server = start(order, port);
    try {
      if (await comesUp(server, port, cluster)) {
        return { port, ended: server.ended, stop: () => server.stop().then(async () => void (await clearTheWay())) };
      }
    } catch (error) {
      await server.stop();
      throw error;
    }
    await server.stop();
    const complaint = await complaintIn(logFile, logStart);
    if (!PASSING_TROUBLE.test(complaint) || performance.now() > patience) throw startFailed(complaint, logFile);
    await pause(RETRY_PAUSE_MS);
  }
}

function start({ cluster, binaries, account, settings, logFile }: ServerOrder, port: number): WatchedServer {
  const all = { ...SETTINGS, ...settings, ...FIXED_SETTINGS, port: String(port) };
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openSync(logFile, 'a', 0o600);
  try {
    return startWatched(binaries.postgres, ['-D', cluster.path, ...args], account, log);
  } finally {
    closeSync(log);
  }
}

/** False when it ended, or ran out of time, without having answered. */
async function comesUp(server: WatchedServer, port: number, cluster: Cluster): Promise<boolean> {
  const deadline = performance.now() + START_MS_MAX;
  while (!server.hasEnded() && performance.now() < deadline) {
    // Its own word first: another program's server may sit on that port, and would be sent our password's proof.
    if ((await listeningPort(cluster.path)) === port && (await answers(cluster, port))) return true;
    await pause(READY_POLL_MS);
  }
  return false;
}

async function answers({ password }: Cluster, port: number): Promise<boolean> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: DATABASE_USER,
    password,
    database: 'postgres',
    ssl: false,
  });
  client.on('error', () => {}); // a connection that breaks fails its query; without a listener it ends the process
  try {
    await client.connect();
    const found = await client.query('select 1 from pg_database where datname = $1', [DATABASE_NAME]);
    if (found.rowCount === 0) await client.query(`create database ${DATABASE_NAME}`);
    return true;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code !== undefined && NOT_YET.includes(code)) return false;
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL server started but refused its own user (${message}); ` +
        'put back the postgres.password that belongs to this data, or set HOLDFAST_DATA_DIR to another directory.',
      { cause: error },
    );
  } finally {
    await client.end();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

async function cutLog(logFile: string): Promise<void> {
  if ((await sizeOf(logFile)) > LOG_BYTES_MAX) await truncate(logFile);
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

/** What the server said since, reduced to its reasons for giving up. */
async function complaintIn(logFile: string, from: number): Promise<string> {
  const said = (await readFile(logFile)).subarray(from).toString('utf8').split('\n');
  return said.filter((line) => /FATAL|PANIC|could not bind/.test(line)).join(' ');
}

function startFailed(complaint: string, logFile: string): EmbeddedPostgresError {
  const reason = complaint.replace(/\S+ \S+ UTC \[\d+\] \w+: {2}/g, '') || 'it gave no reason';
  return new EmbeddedPostgresError(
    `The embedded PostgreSQL server did not start (${reason}); see ${logFile}, ` +
      'or set DATABASE_URL to a PostgreSQL server of your own.',
  );
}
