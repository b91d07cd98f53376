import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import type { AppProcess } from '../app-process';
import { resetOrders } from '../catalogue';
import { inTurns, place, rateOf, type Side, SLICES } from '../overhead/round';
import { checkBooks } from '../placement/books';
import { type Case, CASES, CONNECTIONS } from '../placement/cases';
import { figure, type Report, spreadText } from '../report';
import { spreadOf } from '../statistics';
import type { Testbed } from '../testbed';

const COMPARED = ['spread', 'hot', 'keyed-spread', 'keyed-hot'];
/** A change of the code may cost so much of the throughput before somebody has to look. */
const RATIO_MIN = 0.97;
/** A process that has just started compiles its code first; nobody measures that. */
const COLD_SECONDS = 4;
/** Long enough for connections and plans. */
const WARM_UP_SECONDS = 1;
/** By then requests that were cut off are through. */
const QUIET_MS = 1500;

/** One build's API and what it is measured by. */
interface Build {
  api: AppProcess;
  apiKey: string;
  database: Client;
}

interface Round {
  ours: Side;
  theirs: Side;
}

/**
 * This build's placing beside that of another checkout: the same server, a database each, in turns of seconds, so that
 * whatever disturbs the machine for longer disturbs both.
 */
export async function benchCompare(
  testbed: Testbed,
  { seconds, runs, against }: { seconds: number; runs: number; against: string | undefined },
): Promise<Report> {
  const ours: Build = { api: testbed.apis[0], apiKey: testbed.apiKey, database: testbed.database };
  const theirs: Build = await testbed.startOther(against!);
  const cases = CASES.filter(({ name }) => COMPARED.includes(name));
  const rounds = new Map<string, Round[]>(cases.map(({ name }) => [name, []]));
  for (const build of [ours, theirs]) await placeAt(build, cases[0]!, COLD_SECONDS, testbed);
  for (let run = 0; run < runs; run++) {
    for (const of of cases) {
      const round = await takeRound(ours, theirs, of, { run, seconds, testbed });
      rounds.get(of.name)!.push(round);
      console.log(`${of.what}: ${figure(ratioOf(round), 3)} of the other build's orders/s`);
    }
  }
  return { tables: [table(cases, rounds)], data: Object.fromEntries(rounds) };
}

async function takeRound(
  ours: Build,
  theirs: Build,
  of: Case,
  { run, seconds, testbed }: { run: number; seconds: number; testbed: Testbed },
): Promise<Round> {
  await pause(QUIET_MS);
  const placed = new Map<Build, number>();
  const placeAndCount = async (build: Build, time: number): Promise<Side> => {
    const side = await placeAt(build, of, time, testbed);
    placed.set(build, (placed.get(build) ?? 0) + side.orders);
    return side;
  };
  for (const build of [ours, theirs]) {
    await resetOrders(build.database);
    await placeAndCount(build, WARM_UP_SECONDS);
  }
  const order: [Build, Build] = run % 2 === 0 ? [ours, theirs] : [theirs, ours];
  const sides = await inTurns(order, (build) => placeAndCount(build, seconds / SLICES));
  await pause(QUIET_MS);
  const cutOff = 2 * (SLICES + 1) * CONNECTIONS;
  for (const [build, orders] of placed) await checkBooks(build.database, of, orders, cutOff);
  return { ours: sides[order.indexOf(ours)]!, theirs: sides[order.indexOf(theirs)]! };
}

function placeAt({ api, apiKey }: Build, of: Case, seconds: number, testbed: Testbed): Promise<Side> {
  return place(api, of, seconds, { ...testbed, apiKey });
}

function ratioOf({ ours, theirs }: Round): number {
  return rateOf(ours) / rateOf(theirs);
}

function table(cases: Case[], rounds: Map<string, Round[]>): Report['tables'][number] {
  return {
    title: 'Orders a second of this build and of the other, each ratio of one round: median (min–max)',
    columns: ['', 'other', 'this', 'ratio', 'target', ''],
    rows: cases.map(({ name, what }) => {
      const of = rounds.get(name)!;
      const ratio = spreadOf(of.map(ratioOf));
      return [
        what,
        spreadText(spreadOf(of.map(({ theirs }) => rateOf(theirs)))),
        spreadText(spreadOf(of.map(({ ours }) => rateOf(ours)))),
        spreadText(ratio, 3),
        `≥ ${RATIO_MIN}`,
        ratio.median >= RATIO_MIN ? 'met' : 'missed',
      ];
    }),
  };
}
