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
/** The claim covers a whole call after it: 2.5 s, less the vendor's time-out. */
const SPARE_MS = 1_200;
/** Until the call that comes late has failed. */
const FAILED_MS = 500;

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
  {
    name: 'freeze-briefly',
    what: 'a worker frozen between claim and call for less than its claim has to spare, whose call then fails',
    part: 'worker',
    make: (world) => freezeBriefly(world),
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

/** What a look-up proves counts from when the purchase was really sent. */
async function freezeBriefly(world: World): Promise<number> {
  let frozen: KeptAlive | undefined;
  const strike = (worker: KeptAlive): void => {
    frozen = worker;
    worker.freeze();
  };
  if (!(await struckAt(world, 'claimed', strike, 'pass'))) return 0;
  try {
    await world.vendors.faults({ error5xx: { operation: 'order', status: 503 } });
    await pause(SPARE_MS);
    frozen!.thaw();
    await pause(FAILED_MS);
  } finally {
    frozen!.thaw();
    await world.vendors.faults({});
  }
  return 1;
}
