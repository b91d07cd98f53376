import { waitFor } from '../../support/wait';
import { resetOrders } from '../catalogue';
import { figure, type Report, spreadText, type Table } from '../report';
import { spreadOf } from '../statistics';
import type { StopSteps, Testbed } from '../testbed';
import { bodiesOf, type Dispatched, now, place } from './placing';
import { ANSWER_MS, BESIDE, openSurroundings, type Surroundings, VENDORS } from './surroundings';

/** At the measured vendors together. */
const PER_SECOND = 200;
/** One order in so many is for the vendor that hangs. */
const BESIDE_EVERY = 21;
/** Of a round in which nobody hangs, at most: 5,000 orders. */
const QUIET_SECONDS_MAX = 25;
/** Longer than any call to it may take. */
const HANGING_MS = 60_000;
const DRAIN_MS_MAX = 10 * 60_000;
const CHANGE_MAX = 1.1;
/** What is shown of the time after its return. */
const SHOWN_SECONDS = 40;

/** Purchases that the vendor was sent in each second after it had returned. */
type Drain = { second: number; calls: number; atOnce: number }[];

/** What a vendor that hangs for `minutes` does to the others, and how its orders reach it when it is back. */
export async function benchIsolation(
  testbed: Testbed,
  stopSteps: StopSteps,
  { minutes, runs }: { minutes: number; runs: number },
): Promise<Report> {
  await resetOrders(testbed.database);
  const surroundings = await openSurroundings(testbed, stopSteps);
  const seconds = (minutes * 60) / runs;
  const mixed = mixedBodies(surroundings);
  const rate = (PER_SECOND * BESIDE_EVERY) / (BESIDE_EVERY - 1);
  const round = (lasting: number) => () => place(surroundings, rate, lasting, mixed);
  await place(surroundings, rate, 10, mixed);
  const [quiet, hanging]: [Dispatched[], Dispatched[]] = [[], []];
  for (let count = 0; count < runs; count++)
    quiet.push(await told('nobody hangs', round(Math.min(seconds, QUIET_SECONDS_MAX))));
  await surroundings.answersIn(BESIDE, HANGING_MS);
  for (let count = 0; count < runs; count++) hanging.push(await told('a vendor hangs', round(seconds)));
  const waiting = await openBeside(testbed);
  const returnedAt = await now(testbed);
  await surroundings.answersIn(BESIDE, ANSWER_MS);
  await waitFor(async () => (await openBeside(testbed)) === 0, {
    withinMs: DRAIN_MS_MAX,
    what: 'the orders of the vendor that is back',
  });
  const drain = await callsSince(testbed, returnedAt);
  return {
    tables: [effect(quiet, hanging, minutes), drained(drain, waiting)],
    data: { quiet, hanging, waiting, drain },
  };
}

async function told(what: string, round: () => Promise<Dispatched>): Promise<Dispatched> {
  const dispatched = await round();
  console.log(`${what}: p95 ${figure(dispatched.latencyMs.p95, 1)} ms`);
  return dispatched;
}

/** In turn; every so many-th for the vendor that hangs. */
function mixedBodies({ productIds }: Surroundings): string[] {
  const [measured, beside] = [bodiesOf(productIds(VENDORS)), bodiesOf(productIds([BESIDE]))];
  return measured.flatMap((body, index) =>
    index % (BESIDE_EVERY - 1) === 0 ? [body, beside[index % beside.length]!] : [body],
  );
}

async function openBeside({ database }: Testbed): Promise<number> {
  const statement = `SELECT count(*)::integer AS count FROM orders WHERE vendor_id = $1 AND status = 'pending'`;
  return (await database.query<{ count: number }>(statement, [BESIDE])).rows[0]!.count;
}

async function callsSince({ database }: Testbed, since: Date): Promise<Drain> {
  const { rows } = await database.query<Drain[number]>(
    `WITH calls AS (SELECT started_at, finished_at FROM dispatch_attempts JOIN orders USING (order_id)
                    WHERE vendor_id = $1 AND started_at >= $2)
     SELECT floor(extract(epoch FROM c.started_at - $2))::integer AS second, count(*)::integer AS calls,
            max((SELECT count(*) FROM calls o WHERE o.started_at <= c.started_at AND o.finished_at > c.started_at))::integer
              AS "atOnce"
     FROM calls c GROUP BY 1 ORDER BY 1`,
    [BESIDE, since],
  );
  return rows;
}

function effect(quiet: Dispatched[], hanging: Dispatched[], minutes: number): Table {
  const p95 = (runs: Dispatched[]) => spreadOf(runs.map(({ latencyMs }) => latencyMs.p95));
  const change = p95(hanging).median / p95(quiet).median;
  return {
    title: `From commit to acceptance at the other vendors, ${PER_SECOND} orders a second, in milliseconds: median (min–max)`,
    columns: ['', 'p95', 'of quiet', '', ''],
    rows: [
      ['nobody hangs', spreadText(p95(quiet), 1), '', '', ''],
      [
        `a vendor hangs for ${minutes} minutes`,
        spreadText(p95(hanging), 1),
        figure(change, 2),
        `≤ ${CHANGE_MAX}`,
        change <= CHANGE_MAX ? 'met' : 'missed',
      ],
    ],
  };
}

function drained(drain: Drain, waiting: number): Table {
  return {
    title: `The vendor is back, and ${figure(waiting)} orders wait for it: purchases begun in each second since`,
    columns: ['second', 'purchases', 'at once, at most'],
    rows: drain
      .slice(0, SHOWN_SECONDS)
      .map(({ second, calls, atOnce }) => [String(second), figure(calls), figure(atOnce)]),
  };
}
