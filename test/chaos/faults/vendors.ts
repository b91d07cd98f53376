import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../support/random';
import type { World } from '../world/world';
import { type Fault, meanwhile, type Trouble } from './fault';

const OUTAGE_LONG_MS = 180_000;
const SKEW_MS = 60_000;
/** A vendor's clock that was ahead goes on slowly until time has caught up; a shorter skew is caught up in a round. */
const SKEW_SHORT_MS = 2_000;

/** Shares of calls. Breakers open after five failures in a row, and an alert waits for three probes that fail. */
const TOO_FEW_IN_A_ROW = 0.25;
const MANY_IN_A_ROW = 0.7;

type Lights = Pick<Fault, 'alerts' | 'perhaps'>;

const UNSURE: Lights = { alerts: ['HoldfastVendorErrors'] };
const LEFT_ALONE: Lights = { alerts: ['HoldfastBreakerOpen', 'HoldfastQueueOld', 'HoldfastVendorErrors'] };
const SLOW: Lights = {
  alerts: ['HoldfastQueueOld', 'HoldfastVendorErrors'],
  perhaps: ['HoldfastBreakerOpen', 'HoldfastStockOld'],
};
const BUSY: Lights = { alerts: ['HoldfastQueueOld', 'HoldfastVendorErrors'] };

/** Breakers open before a tenth of its calls have failed for long. */
const AWAY: Lights = { alerts: ['HoldfastBreakerOpen', 'HoldfastQueueOld', 'HoldfastStockOld'] };

type Faults = Parameters<World['vendors']['faults']>[0];

export const vendorFaults: Fault[] = [
  simulated(
    'vendor-drops',
    'every vendor accepts and drops the connection, every other time',
    UNSURE,
    (seed, watched) => ({
      acceptThenDrop: { share: watched ? TOO_FEW_IN_A_ROW : 0.5, seed },
    }),
  ),
  simulated('vendor-500', 'every vendor accepts and answers 500, every other time', UNSURE, (seed, watched) => ({
    acceptThen500: { share: watched ? TOO_FEW_IN_A_ROW : 0.5, seed },
  })),
  simulated('vendor-late', 'every vendor accepts long after it hung up, every third time', UNSURE, (seed) => ({
    delayedAcceptance: { ms: 1_800, share: 0.33, seed },
  })),
  simulated('vendor-slow', 'every vendor takes most of the time-out, or longer', SLOW, (seed) => ({
    latency: { ms: 700, share: 0.7, seed },
    slowDrip: { bytesPerSecond: 60, share: 0.3, seed },
  })),
  simulated('vendor-429', 'every vendor answers 429, four times of five', BUSY, (seed) => ({
    tooManyRequests: { retryAfterSeconds: 1, share: 0.8, seed },
  })),
  simulated('vendor-rubbish', 'every vendor answers what nobody can read, every other time', LEFT_ALONE, (seed) => ({
    unreadableBody: { share: 0.5, seed },
  })),
  simulated('vendor-redirects', 'every vendor redirects, every other time', LEFT_ALONE, (seed) => ({
    redirect: { share: 0.5, seed },
  })),
  simulated('vendor-errors', 'every vendor answers 503, every other time', LEFT_ALONE, (seed, watched) => ({
    error5xx: { status: 503, share: watched ? MANY_IN_A_ROW : 0.5, seed },
  })),
  simulated(
    'vendor-refuses',
    'every vendor refuses for want of stock, every third time',
    {},
    (seed) => ({
      outOfStock: { share: 0.33, seed },
    }),
    true,
  ),
  {
    name: 'vendor-down',
    what: 'every vendor drops every connection',
    part: 'vendor',
    ...AWAY,
    make: (world, trouble) => withFaults(world, { outage: {} }, trouble.lengthy ? OUTAGE_LONG_MS : trouble.durationMs),
  },
  {
    name: 'vendor-refused',
    what: 'no vendor can be connected to',
    part: 'vendor',
    ...AWAY,
    make: ({ counter }, { durationMs }) =>
      meanwhile(
        () => counter.close(),
        durationMs,
        () => counter.open(),
      ),
  },
  {
    name: 'vendor-skewed',
    what: 'every vendor’s clock runs ahead, and then behind',
    part: 'vendor',
    make: async (world, { durationMs, lengthy }) => {
      const ms = lengthy ? SKEW_MS : SKEW_SHORT_MS;
      const ahead = await withFaults(world, { clockSkew: { ms } }, durationMs / 2);
      return ahead + (await withFaults(world, { clockSkew: { ms: -ms } }, durationMs / 2));
    },
  },
];

function simulated(
  name: string,
  what: string,
  lights: Lights,
  faults: (seed: number, watched: boolean) => Faults,
  vendorsRefuseAnyway?: true,
): Fault {
  return {
    name,
    what,
    part: 'vendor',
    ...lights,
    ...(vendorsRefuseAnyway && { vendorsRefuseAnyway }),
    make: (world, { durationMs, random, watched }: Trouble) =>
      withFaults(world, faults(seedOf(random), watched), durationMs),
  };
}

/** Answers how often they struck. */
async function withFaults({ vendors }: World, faults: Faults, durationMs: number): Promise<number> {
  await vendors.faults(faults);
  try {
    await pause(durationMs);
    return await vendors.struck();
  } finally {
    await vendors.faults({});
  }
}

function seedOf(random: Random): number {
  return Math.floor(random() * 2 ** 32);
}
