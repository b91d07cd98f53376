import { setTimeout as pause } from 'node:timers/promises';
import { type Random, randomOf } from '../support/random';
import { waitFor } from '../support/wait';
import { AlertWatch } from './alerts/alert-watch';
import { checkAlerts } from './alerts/check';
import { Buyers } from './buyers';
import { check } from './checker/checker';
import type { Evidence, Violation } from './checker/evidence';
import { type Beginning, beginning, gather } from './checker/gathering';
import { Sightings } from './checker/sightings';
import type { Fault, Trouble } from './faults/fault';
import { dismissOrphans } from './faults/messages';
import { createdIds } from './history';
import { CALM_MS, PAUSE_LONG_MS_MAX, PAUSE_MS_MAX } from './settings';
import { allReady, restock, type World } from './world/world';

/** Of load before the first fault, and after the last. */
const AROUND_MS = 500;

export interface Round {
  name: string;
  seed: number;
  faults: Fault[];
  durationMs: number;
  lengthy: boolean;
  /** Whether each fault has to strike: in a mixture one may keep another from it. */
  mustStrike: boolean;
  /** Whether it has to light its alerts and no others. */
  watched: boolean;
}

export interface RoundResult {
  round: Round;
  evidence: Evidence;
  violations: Violation[];
  /** From the end of the last fault until every order was decided; undefined where that never came. */
  recoveredMs: number | undefined;
  /** That were lit, where somebody watched. */
  alerts: string[];
  /** Of whoever watched a round that broke something. */
  watchFolder?: string;
}

/** Load, faults, calm, check. */
export async function runRound(world: World, round: Round): Promise<RoundResult> {
  if (!round.watched) return strainAndCheck(world, round);
  const watch = await AlertWatch.start(world);
  let keep = false;
  try {
    const result = await strainAndCheck(world, round);
    const alerts = await watch.lit();
    const violations = [...result.violations, ...round.faults.flatMap((fault) => checkAlerts(fault, alerts))];
    keep = violations.length > 0;
    return { ...result, alerts, violations, ...(keep && { watchFolder: watch.folder }) };
  } finally {
    await watch.stop();
    if (!keep) watch.remove();
  }
}

async function strainAndCheck(world: World, round: Round): Promise<RoundResult> {
  await dismissOrphans(world);
  await restock(world);
  const began = await beginning(world);
  const random = randomOf(round.seed);
  const sightings = new Sightings(world);
  const buyers = new Buyers(
    world,
    random,
    `${round.name}-${Date.now()}`,
    round.lengthy || round.watched ? PAUSE_LONG_MS_MAX : PAUSE_MS_MAX,
  );
  const idle = await makeFaults(world, round, random, buyers);
  const calmSince = performance.now();
  await pause(AROUND_MS);
  await buyers.stop();
  const notReady = await allReady(world).then(
    () => [],
    (error: Error): Violation[] => [{ check: 'every process is ready again', harm: 'other', detail: error.message }],
  );
  const recoveredMs = await decided(world, began, calmSince);
  await sightings.stop();
  const reservations = {
    vendorsRefuseAnyway: round.faults.some(({ vendorsRefuseAnyway }) => vendorsRefuseAnyway),
    queuesDeleted: round.faults.some(({ queuesDeleted }) => queuesDeleted),
  };
  const evidence = await gather(world, began, buyers.purchases, sightings, reservations);
  return { round, evidence, recoveredMs, alerts: [], violations: [...idle, ...notReady, ...check(evidence)] };
}

/** Answers which of them did not strike though they had to. */
async function makeFaults(world: World, round: Round, random: Random, buyers: Buyers): Promise<Violation[]> {
  const trouble: Trouble = {
    durationMs: round.durationMs,
    watched: round.watched,
    lengthy: round.lengthy,
    random,
    orderIds: () => buyers.purchases.flatMap(createdIds),
  };
  await pause(AROUND_MS);
  const made = await Promise.all(
    round.faults.map(async (fault): Promise<Violation[]> => {
      const making = fault.make(world, trouble);
      // In a mixture one fault may come in another's way.
      const struck = await (round.mustStrike ? making : making.catch(() => 0));
      if (struck > 0 || !round.mustStrike) return [];
      return [{ check: 'the fault struck', harm: 'other', detail: `${fault.name} found nothing to strike at` }];
    }),
  );
  return made.flat();
}

/** Waits for every order of the round to be decided or to need an operator; answers how long after the last fault. */
async function decided(
  { database }: World,
  { ordersBefore }: Beginning,
  calmSince: number,
): Promise<number | undefined> {
  const nothingPending = async (): Promise<boolean> => {
    const pending = await database.rows<{ order_id: string }>(
      `SELECT order_id FROM orders WHERE status = 'pending' AND NOT needs_attention`,
    );
    return pending.every(({ order_id }) => ordersBefore.has(order_id));
  };
  const withinMs = Math.max(1, calmSince + CALM_MS - performance.now());
  return waitFor(nothingPending, { withinMs, what: 'calm' }).then(
    () => performance.now() - calmSince,
    () => undefined,
  );
}
