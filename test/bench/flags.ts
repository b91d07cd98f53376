import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES } from './placement/cases';
import { SKUS_MAX, SKUS_MIN } from './stock/cases';

/** What `npm run bench -- …` was asked for. */
export interface Flags {
  section: Section;
  seconds: number;
  runs: number;
  only: string[] | undefined;
  minutes: number;
  skus: number;
  rows: number;
  vendors: number;
  profile: boolean;
  /** compare: a folder with another checkout, built. */
  against: string | undefined;
}

export const SECTIONS = [
  'placement',
  'dispatch',
  'isolation',
  'reads',
  'stock',
  'overhead',
  'compare',
  'consistency',
  'vendors',
  'reconciliation',
  'soak',
] as const;
export type Section = (typeof SECTIONS)[number];

export class UsageError extends Error {}

const DEFAULTS = { seconds: 8, runs: 5, minutes: 10, skus: SKUS_MAX, rows: 1_000_000, vendors: 1_000 };
const QUICK = { seconds: 2, runs: 1, minutes: 0.5, skus: 20_000, rows: 100_000, vendors: 100 };
/** A run of `stock` takes minutes, and differs little from the next. */
const STOCK_RUNS = 3;

export const HELP = `Usage: npm run bench -- [section] [flags]

Sections
  placement      how many orders can be placed, and how long one takes (default)
  dispatch       how many orders reach their vendors over RabbitMQ, and how soon
  isolation      what other vendors notice of one that hangs, and what it gets when it is back
  reads          how many single products can be read, from memory and not
  stock          how fast a vendor's stock is synced, and what orders notice of it
  overhead       what metrics, logs and traces cost of placing orders
  compare        how many orders this build places beside that of another checkout (--against)
  consistency    how soon /v1/consistency answers over large books, and what counting costs of placing orders
  vendors        what 1, 100 and 1,000 vendors cost a worker, idle and with an order each
  reconciliation how many orders are compared a second with a vendor's books, with its list of orders and without
  soak           memory of the API under full load

Flags
  --seconds <n>  length of each run that counts (${DEFAULTS.seconds})
  --runs <n>     runs of each case; figures are their median (${DEFAULTS.runs}; stock: ${STOCK_RUNS})
  --only <list>  placement: some cases only, separated by commas; ratios need both of their cases:
                 ${CASES.map(({ name }) => name).join(', ')}
  --minutes <n>  soak, isolation: how long (${DEFAULTS.minutes})
  --skus <n>     stock: how many the vendor lists (${DEFAULTS.skus})
  --rows <n>     consistency: how many products, and how many orders (${DEFAULTS.rows})
  --against <folder>  compare: the other checkout, built
  --vendors <n>  vendors: no more of them than this (${DEFAULTS.vendors})
  --profile      keeps a CPU profile of each API process beside the results, at some cost
  --quick        a smoke run: ${QUICK.runs} run of ${QUICK.seconds} s, a soak of half a minute, ${QUICK.skus} SKUs, ${QUICK.rows} rows
  --help         says this`;

/** Throws UsageError; undefined where only help is wanted. */
export function parseFlags(args: string[]): Flags | undefined {
  const { values, positionals } = read(args);
  if (values.help) return undefined;
  const section = sectionOf(positionals);
  const defaults = defaultsOf(section, values.quick ?? false);
  const flags = {
    section,
    seconds: positive('--seconds', values.seconds, defaults.seconds),
    runs: positive('--runs', values.runs, defaults.runs),
    only: values.only === undefined ? undefined : casesOf(values.only),
    minutes: positive('--minutes', values.minutes, defaults.minutes),
    skus: positive('--skus', values.skus, defaults.skus),
    rows: positive('--rows', values.rows, defaults.rows),
    vendors: positive('--vendors', values.vendors, defaults.vendors),
    profile: values.profile ?? false,
    against: checkoutOf(section, values.against),
  };
  if (!Number.isInteger(flags.runs)) throw new UsageError(`--runs: expected a whole number, found ${values.runs}`);
  if (!Number.isInteger(flags.skus) || flags.skus < SKUS_MIN || flags.skus > SKUS_MAX) {
    throw new UsageError(`--skus: expected a whole number from ${SKUS_MIN} to ${SKUS_MAX}, found ${values.skus}`);
  }
  return flags;
}

function defaultsOf(section: Section, quick: boolean): typeof DEFAULTS {
  if (quick) return QUICK;
  return section === 'stock' ? { ...DEFAULTS, runs: STOCK_RUNS } : DEFAULTS;
}

function read(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        seconds: { type: 'string' },
        runs: { type: 'string' },
        only: { type: 'string' },
        minutes: { type: 'string' },
        skus: { type: 'string' },
        rows: { type: 'string' },
        vendors: { type: 'string' },
        profile: { type: 'boolean' },
        against: { type: 'string' },
        quick: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0]);
  }
}

function sectionOf(positionals: string[]): Section {
  const [section = 'placement', ...more] = positionals;
  const known: readonly string[] = SECTIONS;
  if (more.length > 0 || !known.includes(section)) {
    throw new UsageError(`Expected one section (${SECTIONS.join(', ')}), found: ${positionals.join(' ')}`);
  }
  return section as Section;
}

function checkoutOf(section: Section, against: string | undefined): string | undefined {
  if (section !== 'compare') {
    if (against !== undefined) throw new UsageError('--against: only the section compare takes it');
    return undefined;
  }
  const folder = resolve(against ?? '.');
  if (against === undefined || !existsSync(join(folder, 'dist', 'main.js'))) {
    throw new UsageError(`--against: expected the folder of another checkout with its build in dist, found ${against}`);
  }
  return folder;
}

function casesOf(list: string): string[] {
  const names = list.split(',').map((name) => name.trim());
  for (const name of names) {
    const found = CASES.find((known) => known.name === name);
    if (!found) {
      throw new UsageError(
        `--only: there is no case ${name}; there are ${CASES.map((known) => known.name).join(', ')}`,
      );
    }
    if (found.capacityOf && !names.includes(found.capacityOf)) {
      throw new UsageError(`--only: ${name} needs ${found.capacityOf}, whose capacity it halves`);
    }
  }
  return names;
}

function positive(flag: string, text: string | undefined, byDefault: number): number {
  const value = text === undefined ? byDefault : Number(text);
  if (!(value > 0 && value < Infinity)) throw new UsageError(`${flag}: expected a positive number, found ${text}`);
  return value;
}
