import { parseArgs } from 'node:util';
import { CASES } from './placement/cases';

/** What `npm run bench -- …` was asked for. */
export interface Flags {
  section: Section;
  seconds: number;
  runs: number;
  only: string[] | undefined;
  minutes: number;
  profile: boolean;
}

export const SECTIONS = ['placement', 'reads', 'soak'] as const;
export type Section = (typeof SECTIONS)[number];

export class UsageError extends Error {}

const DEFAULTS = { seconds: 8, runs: 5, minutes: 10 };
const QUICK = { seconds: 2, runs: 1, minutes: 0.5 };

export const HELP = `Usage: npm run bench -- [section] [flags]

Sections
  placement      how many orders can be placed, and how long one takes (default)
  reads          how many single products can be read, from memory and not
  soak           memory of the API under full load

Flags
  --seconds <n>  length of each run that counts (${DEFAULTS.seconds})
  --runs <n>     runs of each case; figures are their median (${DEFAULTS.runs})
  --only <list>  placement: some cases only, separated by commas; ratios need both of their cases:
                 ${CASES.map(({ name }) => name).join(', ')}
  --minutes <n>  soak: how long (${DEFAULTS.minutes})
  --profile      keeps a CPU profile of each API process beside the results, at some cost
  --quick        a smoke run: ${QUICK.runs} run of ${QUICK.seconds} s, a soak of half a minute
  --help         says this`;

/** Throws UsageError; undefined where only help is wanted. */
export function parseFlags(args: string[]): Flags | undefined {
  const { values, positionals } = read(args);
  if (values.help) return undefined;
  const defaults = values.quick ? QUICK : DEFAULTS;
  const section = sectionOf(positionals);
  const flags = {
    section,
    seconds: positive('--seconds', values.seconds, defaults.seconds),
    runs: positive('--runs', values.runs, defaults.runs),
    only: values.only === undefined ? undefined : casesOf(values.only),
    minutes: positive('--minutes', values.minutes, defaults.minutes),
    profile: values.profile ?? false,
  };
  if (!Number.isInteger(flags.runs)) throw new UsageError(`--runs: expected a whole number, found ${values.runs}`);
  return flags;
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
        profile: { type: 'boolean' },
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
