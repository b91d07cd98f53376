import { startHelper } from '../helper';
import type { LoadOutcome } from '../load/outcome';
import type { Report } from '../report';
import { medianOf } from '../statistics';
import type { StopSteps, Testbed } from '../testbed';
import { type Case, CASES } from './cases';
import type { RawOrders } from './raw-orders';
import { type Run, runCase, type Surroundings } from './run';
import { type Runs, tablesOf } from './tables';

/** A process that has just started compiles its code first; nobody measures that. */
const WARM_UP: Case = { name: 'warm-up', what: 'both APIs', kind: 'api', shape: 'spread', keyed: true, apis: 2 };
const WARM_UP_SECONDS = 4;

/** How many orders can be placed, how long one takes, and how that compares with the database alone. */
export async function benchPlacement(
  testbed: Testbed,
  stopSteps: StopSteps,
  { seconds, runs, only }: { seconds: number; runs: number; only: string[] | undefined },
): Promise<Report> {
  const raw = startHelper<RawOrders, LoadOutcome>('placement/raw-orders.ts');
  stopSteps.push(() => raw.stop());
  const surroundings = { testbed, raw, seconds };
  const cases = CASES.filter(({ name }) => only === undefined || only.includes(name));
  const found: Runs = new Map(cases.map(({ name }) => [name, []]));

  await runCase(WARM_UP, { ...surroundings, seconds: WARM_UP_SECONDS });
  const capacities = cases.filter(({ kind }) => kind !== 'rate');
  const rates = cases.filter(({ kind }) => kind === 'rate');
  await inRounds(capacities, runs, async (of) => {
    found.get(of.name)!.push(await told(of, surroundings));
  });
  await inRounds(rates, runs, async (of) => {
    const capacity = medianOf(found.get(of.capacityOf!)!.map(({ requestsPerSecond }) => requestsPerSecond));
    found.get(of.name)!.push(await told(of, surroundings, capacity));
  });
  return { tables: tablesOf(cases, found), data: Object.fromEntries(found) };
}

/**
 * Every case once a round, in turns forwards and backwards, so that the baseline runs before and after what is compared
 * with it, and a machine that slows down or is disturbed for a while does so to all of them.
 */
async function inRounds(cases: Case[], rounds: number, run: (of: Case) => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const of of round % 2 === 0 ? cases : cases.toReversed()) await run(of);
  }
}

async function told(of: Case, surroundings: Surroundings, capacity?: number): Promise<Run> {
  const run = await runCase(of, surroundings, capacity);
  const rate = Math.round(run.ordersPerSecond);
  console.log(`${of.what}: ${rate} orders/s, p95 ${run.latencyMs.p95.toFixed(1)} ms`);
  return run;
}
