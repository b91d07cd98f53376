import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Table } from '../bench/report';
import type { Harm } from './checker/evidence';
import type { RoundResult } from './round';
import type { World } from './world/world';

const HARMS: [Harm, string][] = [
  ['lost', 'lost'],
  ['boughtTwice', 'bought twice'],
  ['oversold', 'oversold'],
  ['stuck', 'stuck'],
  ['other', 'other'],
];
/** Told of one round; the evidence has them all. */
const TOLD_MAX = 10;

export function tableOf(results: RoundResult[]): Table {
  return {
    title: 'What became of the orders',
    columns: [
      'fault',
      'orders',
      'completed',
      'failed',
      'unheard',
      ...HARMS.map(([, name]) => name),
      'attention',
      'recovery',
    ],
    rows: results.map((result) => cellsOf(result)),
  };
}

/** In one line, as soon as it is known. */
export function lineOf(result: RoundResult): string {
  const [name, orders, completed, failed, , ...others] = cellsOf(result);
  const recovery = others.at(-1);
  const lit = result.alerts.length === 0 ? '' : `, lit: ${result.alerts.join(' ')}`;
  const found = result.violations.length === 0 ? '' : `  ${result.violations.length} VIOLATIONS`;
  return `${name!.padEnd(28)} ${orders} orders, ${completed} completed, ${failed} failed, calm after ${recovery}${lit}${found}`;
}

/** The first of them, in words. */
export function violationsOf({ violations }: RoundResult): string[] {
  const told = violations
    .slice(0, TOLD_MAX)
    .map(
      ({ check, orderId, detail }) => `  broken: ${check}${orderId === undefined ? '' : ` (${orderId})`}: ${detail}`,
    );
  return violations.length > TOLD_MAX ? [...told, `  and ${violations.length - TOLD_MAX} more`] : told;
}

/** Everything there is to see of a round that broke something. Answers the folder. */
export function keepEvidence(
  { round, evidence, violations, recoveredMs, watchFolder }: RoundResult,
  world: World,
  folder: string,
): string {
  const into = join(folder, round.name.replaceAll(/[^a-z0-9]+/g, '-'));
  mkdirSync(into, { recursive: true });
  const { history, orders, books, calls, outputs, databaseLog, ...others } = evidence;
  const write = (file: string, content: unknown): void =>
    writeFileSync(join(into, file), typeof content === 'string' ? content : JSON.stringify(content, null, 1));
  write('violations.json', { seed: round.seed, recoveredMs, violations });
  write('client-history.json', history);
  write('ledgers.json', books);
  write('vendor-calls.json', calls);
  write('database.json', { orders, ...others });
  write('postgres.log', databaseLog);
  write(
    'processes.json',
    world.processes.map(({ name, endedByItself }) => ({ name, endedByItself })),
  );
  for (const { process, text } of outputs) write(`${process.replace(' ', '-')}.log`, text);
  if (watchFolder !== undefined) {
    cpSync(watchFolder, join(into, 'prometheus'), { recursive: true });
    rmSync(watchFolder, { recursive: true });
  }
  return into;
}

export function newEvidenceFolder(): string {
  return mkdtempSync(join(tmpdir(), 'holdfast-chaos-evidence-'));
}

function cellsOf({ round, evidence, violations, recoveredMs }: RoundResult): string[] {
  const { orders, history } = evidence;
  const count = (wanted: string): string => String(orders.filter(({ status }) => status === wanted).length);
  return [
    round.name,
    String(orders.length),
    count('completed'),
    count('failed'),
    String(history.filter(({ results }) => results.some(({ kind }) => kind === 'unknown')).length),
    ...HARMS.map(([harm]) => String(violations.filter((violation) => violation.harm === harm).length)),
    String(orders.filter(({ attentionReason }) => attentionReason !== null).length),
    recoveredMs === undefined ? 'never' : `${(recoveredMs / 1000).toFixed(1)} s`,
  ];
}
