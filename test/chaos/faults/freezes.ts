import { setTimeout as pause } from 'node:timers/promises';
import type { KeptAlive } from '../world/kept-alive';
import type { World } from '../world/world';
import type { Fault, Trouble } from './fault';
import { struckAt } from './kills';
import type { WorkerPoint } from './trail';

/** Longer than a claim lasts, so that the other worker takes over what the frozen one has in hand. */
const FROZEN_MS = 4_000;
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

async function freeze(world: World, point: WorkerPoint, { lengthy }: Trouble): Promise<number> {
  let frozen: KeptAlive | undefined;
  const strike = (worker: KeptAlive): void => {
    frozen = worker;
    worker.freeze();
  };
  // What it waits for is delivered, and lies in its socket when it wakes.
  const struck = await struckAt(world, point, strike, 'pass');
  if (!struck) return 0;
  try {
    await pause(lengthy ? FROZEN_LONG_MS : FROZEN_MS);
  } finally {
    frozen!.thaw();
  }
  return 1;
}
