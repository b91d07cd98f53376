import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../support/random';
import type { World } from '../world/world';

/** How a fault is to go about it. */
export interface Trouble {
  /** For about so long. */
  durationMs: number;
  /** Whether rules watch that judge quicker, for which nothing recovers quicker; luck must not decide what they see. */
  watched: boolean;
  random: Random;
  /** Whether there is time for the long variety: a minute's freeze, minutes of outage. */
  lengthy: boolean;
  /** What clients were answered so far. */
  orderIds: () => string[];
}

/** Of `docker/prometheus/rules/alerts.yml`. */
export type Alert = `Holdfast${string}`;

export interface Fault {
  name: string;
  /** In one phrase, for the help. */
  what: string;
  /** Faults of one part are not made at once. */
  part: 'api' | 'worker' | 'broker' | 'database' | 'vendor' | 'messages' | 'network';
  /** A vendor's `OUT_OF_STOCK` proves nothing under it. */
  vendorsRefuseAnyway?: true;
  /** With what is in them. */
  queuesDeleted?: true;
  /** What it lights when it lasts for ten minutes: these alerts, and no others. None unless said. */
  alerts?: Alert[];
  /** What it lights or not, by the luck of a few requests. */
  perhaps?: Alert[];
  /** Makes trouble and leaves everything as it was. Answers how often it struck: never is a fault of the harness. */
  make(world: World, trouble: Trouble): Promise<number>;
}

/** Does something again and again until the time is over. */
export async function every(
  intervalMs: number,
  durationMs: number,
  strike: () => Promise<unknown> | void,
): Promise<number> {
  const until = performance.now() + durationMs;
  let strikes = 0;
  do {
    await strike();
    strikes += 1;
    await pause(Math.min(intervalMs, Math.max(0, until - performance.now())));
  } while (performance.now() < until);
  return strikes;
}

/** Breaks something, waits, and mends it whatever happens meanwhile. */
export async function meanwhile(
  breakIt: () => Promise<unknown> | void,
  durationMs: number,
  mend: () => Promise<unknown> | void,
): Promise<number> {
  try {
    await breakIt();
    await pause(durationMs);
  } finally {
    await mend();
  }
  return 1;
}
