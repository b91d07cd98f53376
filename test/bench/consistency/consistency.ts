import { ApiClient } from '../../support/client';
import { figure, type Report, spreadText, type Table } from '../report';
import { percentilesOf, spreadOf } from '../statistics';
import type { Testbed } from '../testbed';
import { askMs, besideCounts, type Beside, holdLeases, type Surroundings, withoutCounts } from './beside';
import { fillBooks } from './books';

/** One right after the other, so that whatever disturbs the machine for longer disturbs both. */
interface Round {
  quiet: Beside;
  counting: Beside;
  /** Of a count of everything that somebody waits for, with nothing beside it. */
  freshMs: number;
}

const ANSWER_MS_MAX = 200;
const COST_MAX = 0.05;
/** A process that has just started compiles its code first. */
const WARM_UP_SECONDS = 4;

/** How soon `/v1/consistency` answers over large books, and what its counting costs of placing orders. */
export async function benchConsistency(
  testbed: Testbed,
  { rows, seconds, runs }: { rows: number; seconds: number; runs: number },
): Promise<Report> {
  const { database } = testbed;
  await fillBooks(database, rows);
  await holdLeases(database);
  await testbed.startWorker();
  const operator = new ApiClient(testbed.apis[0].url, testbed.adminApiKey);
  const surroundings: Surroundings = { testbed, operator };
  await askMs(operator, '?fresh=true');
  await withoutCounts(surroundings, WARM_UP_SECONDS);
  const rounds: Round[] = [];
  for (let run = 0; run < runs; run++) rounds.push(told(await takeRound(surroundings, seconds, run % 2 === 0)));
  return { tables: [costs(rounds, rows), answers(rounds)], data: rounds };
}

async function takeRound(surroundings: Surroundings, seconds: number, quietFirst: boolean): Promise<Round> {
  const first = quietFirst ? await withoutCounts(surroundings, seconds) : undefined;
  const counting = await besideCounts(surroundings, seconds);
  const quiet = first ?? (await withoutCounts(surroundings, seconds));
  return { quiet, counting, freshMs: await askMs(surroundings.operator, '?fresh=true') };
}

function told(round: Round): Round {
  console.log(`beside counts: ${figure(ratioOf(round), 3)} of the orders/s without`);
  return round;
}

function costs(rounds: Round[], rows: number): Table {
  const ratio = spreadOf(rounds.map(ratioOf));
  const rate = (which: 'quiet' | 'counting'): string[] => [
    spreadText(spreadOf(rounds.map((round) => round[which].ordersPerSecond))),
    spreadText(spreadOf(rounds.map((round) => round[which].p95Ms)), 1),
  ];
  return {
    title: `Placing orders beside the count of ${figure(rows)} products and ${figure(rows)} orders: median (min–max)`,
    columns: ['', 'orders/s', 'p95 ms', 'ratio of a round', 'target', ''],
    rows: [
      ['nobody counts', ...rate('quiet'), '', '', ''],
      [
        'counts under way',
        ...rate('counting'),
        spreadText(ratio, 3),
        `> ${figure(1 - COST_MAX, 2)}`,
        ratio.median > 1 - COST_MAX ? 'met' : 'missed',
      ],
    ],
  };
}

function answers(rounds: Round[]): Table {
  const row = (what: string, pick: (round: Round) => number[]): string[] => {
    const each = rounds.map((round) => percentilesOf(pick(round)));
    const worst = spreadOf(each.map(({ max }) => max));
    return [
      what,
      spreadText(spreadOf(each.map(({ p50 }) => p50)), 1),
      spreadText(worst, 1),
      `< ${ANSWER_MS_MAX}`,
      worst.median < ANSWER_MS_MAX ? 'met' : 'missed',
    ];
  };
  return {
    title: 'Milliseconds to the answer of /v1/consistency, under full load: median (min–max) of the runs',
    columns: ['', 'p50', 'slowest', 'target', ''],
    rows: [
      row('nobody counts', ({ quiet }) => quiet.answersMs),
      row('counts under way', ({ counting }) => counting.answersMs),
      ['fresh=true, no load', '', spreadText(spreadOf(rounds.map(({ freshMs }) => freshMs))), '', ''],
    ],
  };
}

function ratioOf({ quiet, counting }: Round): number {
  return counting.ordersPerSecond / quiet.ordersPerSecond;
}
