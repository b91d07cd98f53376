import { figure, spreadText, type Table } from '../report';
import { medianOf, spreadOf } from '../statistics';
import { ORDER_CASES, QUIET, SYNC_CASES } from './cases';
import { ORDERS_PER_SECOND, type OrdersBeside, SOLD_OUT } from './orders';
import type { RawMerge } from './raw-merge';
import type { MeasuredSync } from './sync';

/** Of each round. */
export interface Loads {
  first: MeasuredSync[];
  raw: RawMerge[];
  rawWithoutTextIndex: RawMerge[];
}

/** What the section found; runs of each case in the order of the rounds. */
export interface StockFound {
  skus: number;
  loads: Loads;
  syncs: Map<string, MeasuredSync[]>;
  orders: Map<string, OrdersBeside[]>;
  deadlocks: number;
}

/** For a million SKUs. */
const FIRST_LOAD_SECONDS_MAX = 60;
const FIRST_LOAD_TO_RAW_MAX = 3;
const UNCHANGED_WAL_MB_MAX = 1;
const WORKER_MB_MAX = 300;
/** p95 of orders during a sync to p95 of those without. */
const DISTURBANCE_MAX = 2;
const MB = 1_000_000;

export function tablesOf(found: StockFound): Table[] {
  return [syncs(found), raw(found), orders(found), targets(found)];
}

function syncs({ skus, loads, syncs: bySync }: StockFound): Table {
  const row = (what: string, runs: MeasuredSync[]): string[] => [
    what,
    spreadText(spreadOf(runs.map(({ seconds }) => seconds)), 2),
    runs[0]!.seen === 0 ? '–' : figure(medianOf(runs.map(({ seen, seconds }) => seen / seconds))),
    figure(Math.max(...runs.map(({ written }) => written))),
    spreadText(spreadOf(runs.map(({ walBytes }) => walBytes / MB)), 2),
    figure(peakMb(runs)),
  ];
  return {
    title: `Syncs of ${figure(skus)} SKUs over HTTP: median (min–max)`,
    columns: ['', 'seconds', 'rows/s', 'products written', 'WAL, MB', 'worker at most, MB'],
    rows: [row('first load', loads.first), ...SYNC_CASES.map(({ name, what }) => row(what, bySync.get(name)!))],
  };
}

function raw({ skus, loads }: StockFound): Table {
  const row = (what: string, runs: RawMerge[]): string[] => [
    what,
    spreadText(spreadOf(runs.map(({ seconds }) => seconds)), 2),
    figure(skus / medianOf(runs.map(({ seconds }) => seconds))),
    spreadText(spreadOf(runs.map(({ walBytes }) => walBytes / MB))),
  ];
  const share = ({ seconds }: RawMerge, round: number): number =>
    100 * (1 - loads.rawWithoutTextIndex[round]!.seconds / seconds);
  return {
    title: 'The same rows in PostgreSQL alone, COPY and one merge',
    columns: ['', 'seconds', 'rows/s', 'WAL, MB'],
    rows: [
      row('as they are', loads.raw),
      row('without the text index', loads.rawWithoutTextIndex),
      ['share of the text index, %', spreadText(spreadOf(loads.raw.map(share))), '', ''],
    ],
  };
}

function orders({ orders: byCase }: StockFound): Table {
  const rows = ORDER_CASES.map(({ name, what }) => {
    const runs = byCase.get(name)!;
    const latency = (rank: 'p50' | 'p95' | 'p99' | 'max'): string =>
      spreadText(spreadOf(runs.map(({ load }) => load.latencyMs[rank])), 1);
    const took = runs.flatMap(({ sync }) => (sync ? [sync.seconds] : []));
    return [
      what,
      took.length === 0 ? '–' : spreadText(spreadOf(took), 1),
      figure(sum(runs, ({ load }) => load.created)),
      figure(sum(runs, ({ load }) => load.others[SOLD_OUT] ?? 0)),
      ...(['p50', 'p95', 'p99', 'max'] as const).map(latency),
    ];
  });
  return {
    title: `${ORDERS_PER_SECOND} orders a second and what goes on beside them: milliseconds from when each was due`,
    columns: ['', 'it took, s', 'placed', 'sold out', 'p50', 'p95', 'p99', 'max'],
    rows,
  };
}

function targets(found: StockFound): Table {
  const { loads, syncs: bySync, orders: byCase, deadlocks } = found;
  const first = spreadOf(loads.first.map(({ seconds }) => seconds));
  const toRaw = spreadOf(loads.first.map(({ seconds }, round) => seconds / loads.raw[round]!.seconds));
  const idle = ['unchanged', 'confirmed'].flatMap((name) => bySync.get(name)!);
  const wal = spreadOf(idle.map(({ walBytes }) => walBytes / MB));
  const written = Math.max(...idle.map((sync) => sync.written));
  const everySync = [...bySync.values(), loads.first, [...byCase.values()].flat().flatMap(({ sync }) => sync ?? [])];
  const peak = peakMb(everySync.flat());
  const refused = sum([...byCase.values()].flat(), ({ load }) => sum(Object.entries(load.others), unexpected));
  const quiet = byCase.get(QUIET)!;
  const disturbances = ORDER_CASES.filter(({ name }) => name !== QUIET).map(({ name, what }) => {
    const ratio = spreadOf(
      byCase.get(name)!.map(({ load }, round) => load.latencyMs.p95 / quiet[round]!.load.latencyMs.p95),
    );
    return [`orders beside ${what}: p95 / quiet`, spreadText(ratio, 2), ...atMost(DISTURBANCE_MAX, ratio.median)];
  });
  return {
    title: 'Targets',
    columns: ['', 'median (min–max)', 'target', ''],
    rows: [
      ['first load, s', spreadText(first, 1), ...atMost(FIRST_LOAD_SECONDS_MAX, first.median)],
      ['first load / PostgreSQL alone', spreadText(toRaw, 2), ...atMost(FIRST_LOAD_TO_RAW_MAX, toRaw.median)],
      ['unchanged: WAL, MB', spreadText(wal, 2), ...atMost(UNCHANGED_WAL_MB_MAX, wal.max)],
      ['unchanged: products written, at most', figure(written), ...atMost(0, written)],
      ['worker, MB at most', figure(peak), ...atMost(WORKER_MB_MAX, peak)],
      ...disturbances,
      ['orders answered neither 201 nor 409', figure(refused), ...atMost(0, refused)],
      ['deadlocks', figure(deadlocks), ...atMost(0, deadlocks)],
    ],
  };
}

function atMost(max: number, value: number): [target: string, verdict: string] {
  return [`≤ ${max}`, Number.isNaN(value) ? 'unknown' : value <= max ? 'met' : 'missed'];
}

function unexpected([answer, count]: [answer: string, count: number]): number {
  return answer === SOLD_OUT ? 0 : count;
}

/** NaN where it is not known. */
function peakMb(runs: MeasuredSync[]): number {
  return Math.max(...runs.map(({ peakBytes = NaN }) => peakBytes / MB));
}

function sum<Item>(items: Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
