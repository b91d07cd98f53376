import { setTimeout as pause } from 'node:timers/promises';
import type { AppProcess } from '../app-process';
import type { Helper } from '../helper';
import type { LoadOutcome } from '../load/outcome';
import type { Shape } from '../placement/cases';
import type { RawOrders } from '../placement/raw-orders';
import { type Run, runCase } from '../placement/run';
import { CLIENT, type Testbed } from '../testbed';
import type { SinkJob, Sunk } from './sink';

/** What an API waits with before it sends its spans, and a little. */
const SPANS_ARRIVE_MS = 1500;

export type Which = 'with' | 'without';

/** Both processes of a pair, measured one right after the other. */
export interface Round extends Record<Which, Run> {
  /** That have arrived from the process that is `with`, for so many orders, warm-up included. */
  spans: number;
  orders: number;
}

export interface Surroundings {
  testbed: Testbed;
  raw: Helper<RawOrders, LoadOutcome>;
  sink: Helper<SinkJob, Sunk>;
}

/** `first`: whose turn it is to go first. */
export async function takeRound(
  apis: Record<Which, AppProcess>,
  first: Which,
  shape: Shape,
  seconds: number,
  surroundings: Surroundings,
): Promise<Round> {
  const order: Which[] = first === 'with' ? ['with', 'without'] : ['without', 'with'];
  const round: Partial<Round> = { spans: 0, orders: 0 };
  for (const which of order) {
    const before = await spansIn(surroundings);
    round[which] = await place(apis[which], shape, seconds, surroundings);
    if (which === 'without') continue;
    await pause(SPANS_ARRIVE_MS);
    round.spans = (await spansIn(surroundings)) - before;
    round.orders = await ordersIn(surroundings);
  }
  return round as Round;
}

export function place(api: AppProcess, shape: Shape, seconds: number, surroundings: Surroundings): Promise<Run> {
  const { testbed, raw } = surroundings;
  const alone: Testbed = { ...testbed, apis: [api, api], cpuSeconds: () => testbed.cpuSeconds([api]) };
  return runCase({ name: shape, what: shape, kind: 'api', shape }, { testbed: alone, raw, seconds });
}

async function spansIn({ sink }: Surroundings): Promise<number> {
  return (await sink.run('count')).answer.spans;
}

/** Of the last run: each begins with emptied tables. */
async function ordersIn({ testbed }: Surroundings): Promise<number> {
  const statement = 'SELECT count(*) FROM orders WHERE client = $1';
  return Number((await testbed.database.query<{ count: string }>(statement, [CLIENT])).rows[0]!.count);
}
