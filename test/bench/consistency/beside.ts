import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '../../support/wait';
import type { Client } from 'pg';
import type { ApiClient } from '../../support/client';
import type { LoadOutcome } from '../load/outcome';
import { CASES } from '../placement/cases';
import { closedLoop, refuseOthers } from '../placement/run';
import type { Testbed } from '../testbed';
import { emptyOfPlaced } from './books';

/** Orders placed as fast as they are answered, and what `/v1/consistency` was asked meanwhile. */
export interface Beside {
  ordersPerSecond: number;
  p95Ms: number;
  /** Each answer's time. */
  answersMs: number[];
}

export interface Surroundings {
  testbed: Testbed;
  /** Talks to the API as an operator does. */
  operator: ApiClient;
}

const SPREAD = CASES.find(({ name }) => name === 'spread')!;
const ASK_EVERY_MS = 250;
const COUNT_BEGINS_MS_MAX = 30_000;
const COUNT_ENDS_MS_MAX = 15 * 60_000;

/** Nobody counts: the leases for it are taken. */
export async function withoutCounts(surroundings: Surroundings, seconds: number): Promise<Beside> {
  await emptyOfPlaced(surroundings.testbed.database);
  // One that is older than a minute would not be answered, but made anew.
  await surroundings.operator.get('/v1/consistency?fresh=true');
  return place(surroundings, seconds);
}

/** A count of everything and one of what is recent go on all the time. Throws where they did not. */
export async function besideCounts(surroundings: Surroundings, seconds: number): Promise<Beside> {
  const { database } = surroundings.testbed;
  await emptyOfPlaced(database);
  const before = await counted(database);
  await database.query('DELETE FROM leases WHERE name LIKE $1', [COUNTS]);
  await waitFor(async () => (await leasesTaken(database)) === 2, {
    withinMs: COUNT_BEGINS_MS_MAX,
    what: 'counts to begin',
  });
  const found = await place(surroundings, seconds);
  if ((await counted(database)).everything !== before.everything) {
    throw new Error(
      `Everything was counted in less than ${seconds} s: what was placed after it was placed beside nothing`,
    );
  }
  await holdLeases(database);
  await waitFor(
    async () => {
      const now = await counted(database);
      return now.everything !== before.everything && now.recent !== before.recent;
    },
    { withinMs: COUNT_ENDS_MS_MAX, what: 'counts to end' },
  );
  await refuseViolations(database);
  return found;
}

const COUNTS = 'consistency-%';

/** From now on no count begins. */
export async function holdLeases(database: Client): Promise<void> {
  await database.query(
    `INSERT INTO leases (name, leased_until)
     SELECT 'consistency-' || scope, now() + interval '1 day' FROM unnest(ARRAY['recent', 'everything']) AS scope
     ON CONFLICT (name) DO UPDATE SET leased_until = excluded.leased_until`,
  );
}

async function place({ testbed, operator }: Surroundings, seconds: number): Promise<Beside> {
  const loading = testbed.generator.run(closedLoop(SPREAD, testbed, seconds));
  let over = false;
  const ended = loading.finally(() => (over = true));
  ended.catch(() => undefined);
  const answersMs: number[] = [];
  while (!over) {
    answersMs.push(await askMs(operator));
    await pause(ASK_EVERY_MS);
  }
  const { answer } = await ended;
  refuseOthers(SPREAD, answer);
  return { ...ratesOf(answer), answersMs };
}

const ratesOf = ({ created, elapsedSeconds, latencyMs }: LoadOutcome) => ({
  ordersPerSecond: created / elapsedSeconds,
  p95Ms: latencyMs.p95,
});

/** Milliseconds until it was answered. Throws where the books do not add up. */
export async function askMs(operator: ApiClient, query = ''): Promise<number> {
  const startedAt = performance.now();
  const { status, body } = await operator.get(`/v1/consistency${query}`);
  if (status !== 200 || !body.ok)
    throw new Error(`/v1/consistency${query} answered ${status}: ${JSON.stringify(body)}`);
  return performance.now() - startedAt;
}

async function leasesTaken(database: Client): Promise<number> {
  return (await database.query('SELECT FROM leases WHERE name LIKE $1', [COUNTS])).rowCount!;
}

/** When the last count of each scope began. */
async function counted(database: Client): Promise<{ everything?: number; recent?: number }> {
  const { rows } = await database.query<{ scope: string; at: number }>(
    'SELECT scope, extract(epoch FROM checked_at)::float AS at FROM consistency_counts',
  );
  return Object.fromEntries(rows.map(({ scope, at }) => [scope, at]));
}

async function refuseViolations(database: Client): Promise<void> {
  const { rows } = await database.query('SELECT violations FROM consistency_counts WHERE violation_count > 0');
  if (rows.length > 0) throw new Error(`The books do not add up: ${JSON.stringify(rows)}`);
}
