import { setTimeout as pause } from 'node:timers/promises';
import type { KeptAlive } from '../world/kept-alive';
import type { World } from '../world/world';
import type { Fault, Trouble } from './fault';
import { struckAt } from './kills';
import { deliverAgain } from './messages';
import type { WorkerPoint } from './trail';

/** Longer than a claim lasts. */
const CLAIMED_MS = 3_000;
/** Then whoever takes over has time for all of it. */
const TAKEN_OVER_MS = 1_500;
const FROZEN_LONG_MS = 60_000;

export const freezes: Fault[] = [
  {
    name: 'freeze-claimed',
    what: 'a worker frozen between claim and call, for longer than its claim lasts',
    part: 'worker',
    make: (world, trouble) => freeze(world, 'claimed', trouble),
  },
  {
    name: 'freeze-answering',
    what: 'a worker frozen when the vendor has answered, for longer than its claim lasts',
    part: 'worker',
    make: (world, trouble) => freeze(world, 'answering', trouble),
  },
];

/** The broker gives up a silent worker after 10 s only; until then a message of another origin brings the order up again. */
async function freeze(world: World, point: WorkerPoint, { lengthy }: Trouble): Promise<number> {
  let frozen: { worker: KeptAlive; orderId: string } | undefined;
  const strike = (worker: KeptAlive, orderId?: string): void => {
    frozen = { worker, orderId: orderId! };
    worker.freeze();
  };
  // What it waits for is delivered, and lies in its socket when it wakes.
  if (!(await struckAt(world, point, strike, 'pass'))) return 0;
  const { worker, orderId } = frozen!;
  try {
    await pause(CLAIMED_MS);
    if (lengthy) await pause(FROZEN_LONG_MS);
    else await deliverAgain(world, orderId).catch(() => undefined);
    await pause(TAKEN_OVER_MS);
  } finally {
    worker.thaw();
  }
  return 1;
}
