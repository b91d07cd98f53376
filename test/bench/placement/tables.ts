import { figure, spreadText, type Table } from '../report';
import { medianOf, spreadOf } from '../statistics';
import type { Case } from './cases';
import type { Run } from './run';

/** Runs of each case, in the order of the rounds. */
export type Runs = Map<string, Run[]>;

/** A ratio of orders per second, and what it should at least be. */
interface Ratio {
  what: string;
  of: string;
  to: string;
  min?: number;
}

const RATIOS: Ratio[] = [
  { what: 'API hot / PostgreSQL alone hot', of: 'hot', to: 'raw-hot', min: 5 },
  { what: 'API hot / API spread', of: 'hot', to: 'spread', min: 0.9 },
  { what: 'API spread / PostgreSQL alone spread', of: 'spread', to: 'raw-spread', min: 0.8 },
  { what: 'API hot with keys / PostgreSQL alone hot', of: 'keyed-hot', to: 'raw-hot', min: 3 },
  { what: 'API spread with keys / PostgreSQL alone spread', of: 'keyed-spread', to: 'raw-spread', min: 0.6 },
  { what: 'orders of checkouts / PostgreSQL alone hot', of: 'checkouts', to: 'raw-hot' },
  { what: 'two APIs spread / one', of: 'two-spread', to: 'spread' },
  { what: 'two APIs hot / one', of: 'two-hot', to: 'hot' },
];

/** At half load, p95. */
const LATENCY_TARGET_MS = 20;

export function tablesOf(cases: Case[], runs: Runs): Table[] {
  return [rates(cases, runs), latencies(cases, runs), cpu(cases, runs), targets(cases, runs)].filter(
    ({ rows }) => rows.length > 0,
  );
}

function rates(cases: Case[], runs: Runs): Table {
  const rows = cases
    .filter(({ kind }) => kind !== 'rate')
    .map(({ name, what }) => [
      what,
      spreadText(spreadOf(values(runs, name, (run) => run.requestsPerSecond))),
      spreadText(spreadOf(values(runs, name, (run) => run.ordersPerSecond))),
    ]);
  return { title: 'Capacity: median (min–max)', columns: ['', 'requests/s', 'orders/s'], rows };
}

function latencies(cases: Case[], runs: Runs): Table {
  const rows = cases.map(({ name, what }) => [
    what,
    figure(medianOf(values(runs, name, (run) => run.requestsPerSecond))),
    ...(['p50', 'p95', 'p99'] as const).map((rank) =>
      spreadText(spreadOf(values(runs, name, (run) => run.latencyMs[rank])), 1),
    ),
  ]);
  const title = 'Milliseconds to the answer: at full load from sending, at half load from when the request was due';
  return { title, columns: ['', 'requests/s', 'p50', 'p95', 'p99'], rows };
}

function cpu(cases: Case[], runs: Runs): Table {
  const rows = cases.map(({ name, what }) => {
    const median = (pick: (run: Run) => number | undefined): number =>
      medianOf(values(runs, name, (run) => pick(run) ?? NaN));
    const perOrder = median(
      ({ cpuSeconds: { api = NaN, postgres = NaN, load }, ordersPerSecond, elapsedSeconds }) =>
        ((api + postgres + load) / (ordersPerSecond * elapsedSeconds)) * 1e6,
    );
    return [
      what,
      figure(
        median(({ elapsedSeconds }) => elapsedSeconds),
        1,
      ),
      figure(
        median(({ cpuSeconds }) => cpuSeconds.api),
        1,
      ),
      figure(
        median(({ cpuSeconds }) => cpuSeconds.postgres),
        1,
      ),
      figure(
        median(({ cpuSeconds }) => cpuSeconds.load),
        1,
      ),
      figure(perOrder),
    ];
  });
  return {
    title: 'CPU seconds of a run, and what an order costs of all three',
    columns: ['', 'elapsed', 'API', 'PostgreSQL', 'load generator', 'µs/order'],
    rows,
  };
}

function targets(cases: Case[], runs: Runs): Table {
  const ratios = RATIOS.filter(({ of, to }) => runs.has(of) && runs.has(to)).map(({ what, of, to, min }) => {
    const [these, those] = [of, to].map((name) => values(runs, name, (run) => run.ordersPerSecond)) as [
      number[],
      number[],
    ];
    const ratio = medianOf(these) / medianOf(those);
    // Those of a round were measured close to each other.
    const byRound = spreadOf(these.map((value, round) => value / those[round]!));
    return [
      what,
      spreadText({ ...byRound, median: ratio }, 2),
      min === undefined ? '' : `≥ ${min}`,
      verdict(min, ratio),
    ];
  });
  const waits = cases
    .filter(({ kind }) => kind === 'rate')
    .map(({ name, what }) => {
      const p95 = spreadOf(values(runs, name, (run) => run.latencyMs.p95));
      return [
        `${what}: p95, ms`,
        spreadText(p95, 1),
        `< ${LATENCY_TARGET_MS}`,
        p95.median < LATENCY_TARGET_MS ? 'met' : 'missed',
      ];
    });
  return { title: 'Targets', columns: ['', 'median (min–max)', 'target', ''], rows: [...ratios, ...waits] };
}

function verdict(min: number | undefined, ratio: number): string {
  if (min === undefined) return '';
  return ratio >= min ? 'met' : 'missed';
}

function values(runs: Runs, name: string, pick: (run: Run) => number): number[] {
  return runs.get(name)!.map(pick);
}
