import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import type { SyncRun } from '../../../src/stock/sync/sync-run';
import type { ApiClient } from '../../support/client';
import { forgetPeakOf, peakResidentBytesOf } from '../cpu';
import type { Asked } from './cases';
import { type Surroundings, walBytesSince, walPosition } from './surroundings';

/** One sync, from the poll to its last transaction, by the run's own times. */
export interface MeasuredSync {
  seconds: number;
  /** Rows the vendor sent. */
  seen: number;
  /** Products written, by what the rows themselves say; beside orders, also by these. */
  written: number;
  /** Of the whole server. */
  walBytes: number;
  /** Of the worker, at its highest; undefined where it is not known. */
  peakBytes: number | undefined;
}

const LOOK_EVERY_MS = 100;
/** The worker itself gives up after ten. */
const SYNC_MS_MAX = 11 * 60_000;
/** Nothing is polled but when it is asked for: far apart, a day and 24 days. */
const SYNC_INTERVAL_MS = 86_400_000;
const FULL_SYNC_NEVER_MS = 2_147_483_647;
const FULL_SYNC_ALWAYS_MS = 10;
/** More than the load of the section ever needs at a vendor that answers in milliseconds. */
const ORDERS_AT_ONCE = 16;

/** Asks for a sync over the API, as an operator would, and waits until a worker has done it. Throws if it fails. */
export async function measureSync(
  { testbed, worker, vendor, operator }: Surroundings,
  vendorId: string,
  asked: Asked,
): Promise<MeasuredSync> {
  const { database } = testbed;
  const earlier = await newestRun(operator, vendorId);
  const nextTransaction = await nextTransactionId(database);
  const position = await walPosition(testbed);
  forgetPeakOf(worker.pid);
  await (asked === 'everything' ? request(operator, vendorId) : put(operator, vendorId, vendor.baseUrl, asked));
  const run = await finishedAfter(operator, vendorId, earlier);
  await released(database, vendorId);
  const walBytes = await walBytesSince(testbed, position);
  const peakBytes = peakResidentBytesOf(worker.pid);
  if (run.status !== 'succeeded') throw new Error(`The sync of ${vendorId} ${run.status}: ${run.error}`);
  return {
    seconds: (Date.parse(run.finishedAt!) - Date.parse(run.startedAt!)) / 1000,
    seen: run.seen,
    written: await writtenSince(database, vendorId, nextTransaction),
    walBytes,
    peakBytes,
  };
}

async function request(operator: ApiClient, vendorId: string): Promise<void> {
  const { status, body } = await operator.call('POST', `/v1/vendors/${vendorId}/sync`);
  if (status !== 202) throw new Error(`No sync of ${vendorId} was accepted: ${JSON.stringify(body)}`);
}

/** A vendor that was put is due at once; how seldom it should be listed whole decides what it is asked for. */
async function put(
  operator: ApiClient,
  vendorId: string,
  baseUrl: string,
  asked: 'changes' | 'confirmation',
): Promise<void> {
  const { status, body } = await operator.put(`/v1/vendors/${vendorId}`, {
    name: 'Big Vendor',
    kind: 'rest',
    baseUrl,
    syncIntervalMs: SYNC_INTERVAL_MS,
    fullSyncIntervalMs: asked === 'confirmation' ? FULL_SYNC_ALWAYS_MS : FULL_SYNC_NEVER_MS,
    maxConcurrentOrders: ORDERS_AT_ONCE,
  });
  if (status !== 200 && status !== 201) throw new Error(`${vendorId} was not registered: ${JSON.stringify(body)}`);
}

async function finishedAfter(operator: ApiClient, vendorId: string, earlier: SyncRun | undefined): Promise<SyncRun> {
  const deadline = performance.now() + SYNC_MS_MAX;
  while (performance.now() < deadline) {
    const run = await newestRun(operator, vendorId);
    if (run && run.syncRunId !== earlier?.syncRunId && run.finishedAt !== null) return run;
    await pause(LOOK_EVERY_MS);
  }
  throw new Error(`The sync of ${vendorId} did not end within ${SYNC_MS_MAX / 60_000} minutes.`);
}

/** Undefined for a vendor that is not known, or was never polled. */
async function newestRun(operator: ApiClient, vendorId: string): Promise<SyncRun | undefined> {
  const { status, body } = await operator.get(`/v1/vendors/${vendorId}/syncs?limit=1`);
  if (status === 404) return undefined;
  if (status !== 200) throw new Error(`The syncs of ${vendorId} were not listed: ${JSON.stringify(body)}`);
  return (body as { items: SyncRun[] }).items[0];
}

/** What a run leaves to do after its last transaction belongs to it: until then the vendor is leased. */
async function released(database: Client, vendorId: string): Promise<void> {
  for (;;) {
    const { rows } = await database.query<{ free: boolean }>(
      'SELECT sync_leased_until IS NULL AS free FROM vendors WHERE vendor_id = $1',
      [vendorId],
    );
    if (rows[0]!.free) return;
    await pause(LOOK_EVERY_MS);
  }
}

async function nextTransactionId(database: Client): Promise<string> {
  const { rows } = await database.query<{ next: string }>(
    'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next',
  );
  return rows[0]!.next;
}

/** A server as young as the bench's has not begun its transaction ids anew. */
async function writtenSince(database: Client, vendorId: string, transactionId: string): Promise<number> {
  const { rows } = await database.query<{ written: number }>(
    `SELECT count(*)::integer AS written FROM products WHERE vendor_id = $1 AND xmin::text::bigint >= $2`,
    [vendorId, transactionId],
  );
  return rows[0]!.written;
}
