import { setTimeout as pause } from 'node:timers/promises';
import type { AppProcess } from '../app-process';
import { resetOrders } from '../catalogue';
import type { Helper } from '../helper';
import { checkBooks } from '../placement/books';
import { type Case, CONNECTIONS, type Shape } from '../placement/cases';
import { closedLoop, refuseOthers } from '../placement/run';
import type { Testbed } from '../testbed';
import type { SinkJob, Sunk } from './sink';

/** Of each side in a round: what disturbs the machine for seconds falls on both. */
export const SLICES = 4;
/** Each may be cut off with a request on every connection, and another one behind it. */
const LOADS = 2 * (SLICES + 1);
/** Long enough for connections and plans. */
const WARM_UP_SECONDS = 1;
/** By then requests that were cut off are through, and an API has sent its spans. */
const QUIET_MS = 1500;

/** What placing at one API needs. */
export type PlacingTestbed = Pick<Testbed, 'apiKey' | 'generator' | 'cpuSeconds'>;

export type Which = 'with' | 'without';

/** What one side did in all its slices. */
export interface Side {
  orders: number;
  seconds: number;
  /** Of the API process; where there is no /proc it is not known. */
  apiCpuSeconds: number | undefined;
}

/** Both processes of a pair, in turns. */
export interface Round extends Record<Which, Side> {
  /** That have arrived from the process that is `with`, for so many orders, warm-up included. */
  spans: number;
  orders: number;
}

export interface Surroundings {
  testbed: Testbed;
  sink: Helper<SinkJob, Sunk>;
}

/** `first`: whose turn it is to go first. `seconds`: of each side. */
export async function takeRound(
  apis: Record<Which, AppProcess>,
  first: Which,
  shape: Shape,
  seconds: number,
  surroundings: Surroundings,
): Promise<Round> {
  const { testbed, sink } = surroundings;
  await pause(QUIET_MS);
  await resetOrders(testbed.database);
  const spansBefore = (await sink.run('count')).answer.spans;
  const of = caseOf(shape);
  const warm = await place(apis.with, of, WARM_UP_SECONDS, testbed);
  const warmToo = await place(apis.without, of, WARM_UP_SECONDS, testbed);
  const second: Which = first === 'with' ? 'without' : 'with';
  const [one, other] = await inTurns([first, second], (which) => place(apis[which], of, seconds / SLICES, testbed));
  const round = { [first]: one, [second]: other } as Record<Which, Side>;
  await pause(QUIET_MS);
  const answered = warm.orders + warmToo.orders + round.with.orders + round.without.orders;
  await checkBooks(testbed.database, of, answered, 2 * LOADS * CONNECTIONS);
  const spans = (await sink.run('count')).answer.spans - spansBefore;
  return { ...round, spans, orders: warm.orders + round.with.orders };
}

const NOTHING: Side = { orders: 0, seconds: 0, apiCpuSeconds: 0 };

/** Takes turns in slices, each of the two first in every other one. Answers what each did in all its slices. */
export async function inTurns<Who>(
  [first, second]: [Who, Who],
  slice: (who: Who) => Promise<Side>,
): Promise<[Side, Side]> {
  const sides: [Side, Side] = [NOTHING, NOTHING];
  for (let turn = 0; turn < SLICES; turn++) {
    for (const at of turn % 2 === 0 ? [0, 1] : [1, 0]) {
      sides[at] = sum(sides[at]!, await slice(at === 0 ? first : second));
    }
  }
  return sides;
}

export async function place(api: AppProcess, of: Case, seconds: number, testbed: PlacingTestbed): Promise<Side> {
  const before = testbed.cpuSeconds([api]);
  const { answer } = await testbed.generator.run(closedLoop(of, { ...testbed, apis: [api] }, seconds));
  const after = testbed.cpuSeconds([api]);
  refuseOthers(of, answer);
  return {
    orders: answer.created,
    seconds: answer.elapsedSeconds,
    apiCpuSeconds: before && after && after.api - before.api,
  };
}

export function caseOf(shape: Shape): Case {
  return { name: shape, what: shape, kind: 'api', shape };
}

function sum(one: Side, other: Side): Side {
  const both = one.apiCpuSeconds !== undefined && other.apiCpuSeconds !== undefined;
  return {
    orders: one.orders + other.orders,
    seconds: one.seconds + other.seconds,
    apiCpuSeconds: both ? one.apiCpuSeconds! + other.apiCpuSeconds! : undefined,
  };
}

/** Orders a second. */
export function rateOf({ orders, seconds }: Side): number {
  return orders / seconds;
}
