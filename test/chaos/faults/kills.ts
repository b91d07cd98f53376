import { setTimeout as pause } from 'node:timers/promises';
import type { KeptAlive } from '../world/kept-alive';
import type { World } from '../world/world';
import type { Fault, Trouble } from './fault';
import { Trail, WORKER_POINTS, type WorkerPoint } from './trail';

/** Between two kills, so that the killed one is at work again before the next. */
const BETWEEN_KILLS_MS = 4_000;
const BETWEEN_KILLS_WATCHED_MS = 20_000;
/** A point that is not reached under load by then is not reached at all. */
const REACHED_MS_MAX = 8_000;

const WORKER_KILLS: Record<WorkerPoint, string> = {
  claimed: 'after the claim, before the worker knows of it',
  calling: 'before the vendor call',
  called: 'during the vendor call',
  answering: 'when the vendor has answered',
  concluding: 'after the vendor call, before the outcome',
  concluded: 'after the outcome',
  acking: 'before the acknowledgement',
  publishing: 'of the relay, before the broker has the message',
  confirmed: 'of the relay, between the broker’s confirm and the outbox',
};

/** Where an API is killed, by its placing statement. */
const API_KILLS = {
  placing: 'before the database has the order',
  committing: 'while the database commits the order',
  placed: 'after the commit, before the answer',
};
type ApiPoint = keyof typeof API_KILLS;

export const kills: Fault[] = [
  ...WORKER_POINTS.map((point): Fault => ({
    name: `kill-worker-${point}`,
    what: `kill -9 of a worker ${WORKER_KILLS[point]}`,
    part: 'worker',
    make: (world, trouble) => again(trouble, () => struckAt(world, point, (worker) => worker.kill())),
  })),
  ...(Object.keys(API_KILLS) as ApiPoint[]).map((point): Fault => ({
    name: `kill-api-${point}`,
    what: `kill -9 of an API ${API_KILLS[point]}`,
    part: 'api',
    make: (world, trouble) => again(trouble, () => killApi(world, point)),
  })),
];

/** Once, and as often again as there is time for. */
async function again({ durationMs, watched }: Trouble, strike: () => Promise<boolean>): Promise<number> {
  const until = performance.now() + durationMs;
  const restMs = watched ? BETWEEN_KILLS_WATCHED_MS : BETWEEN_KILLS_MS;
  let strikes = 0;
  for (;;) {
    if (await strike()) strikes += 1;
    if (performance.now() + restMs > until) return strikes;
    await pause(restMs);
  }
}

/** Waits for the first worker at the point and strikes it there. Answers whether one came there. */
export async function struckAt(
  world: World,
  wanted: WorkerPoint,
  strike: (worker: KeptAlive, orderId?: string) => void,
  then: 'pass' | 'drop' = 'drop',
): Promise<boolean> {
  let struck: KeptAlive | undefined;
  const trail = new Trail(world, (point, worker, orderId) => {
    if (struck !== undefined) return 'pass';
    if (point !== wanted) return 'pass';
    struck = worker;
    strike(worker, orderId);
    return wanted === 'called' ? 'pass' : then;
  });
  const until = performance.now() + REACHED_MS_MAX;
  while (struck === undefined && performance.now() < until) await pause(10);
  trail.stop();
  return struck !== undefined;
}

async function killApi({ apis, productIds }: World, point: ApiPoint): Promise<boolean> {
  const vendorIds = [...new Set(productIds.map((productId) => productId.split(':')[0]!))];
  const aboutProduct = new RegExp(`(${vendorIds.join('|')}):`);
  let struck = false;
  for (const api of apis) {
    const placing = new Set<number>();
    api.wires.database!.watch((chunk, direction, connection) => {
      if (struck) return 'pass';
      if (direction === 'out' && aboutProduct.test(chunk.toString('latin1'))) placing.add(connection);
      const seen = placing.has(connection) && (point === 'placed' ? chunk.includes('5a0000000549', 0, 'hex') : true);
      if (!seen || (direction === 'in') !== (point === 'placed')) return 'pass';
      struck = true;
      api.kill();
      return point === 'committing' ? 'pass' : 'drop';
    });
  }
  const until = performance.now() + REACHED_MS_MAX;
  while (!struck && performance.now() < until) await pause(10);
  for (const api of apis) api.wires.database!.watch(undefined);
  return struck;
}
