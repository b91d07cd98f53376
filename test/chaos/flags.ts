import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { FAULTS, SHORT_FAULTS } from './faults/all';
import type { Fault } from './faults/fault';

/** What `npm run chaos -- …` was asked for. */
export interface Flags {
  /** Each of them alone, in this order. */
  alone: Fault[];
  /** How long random mixtures of `mixed` follow. */
  minutes: number;
  mixed: Fault[];
  /** How long a fault is made, about. */
  durationMs: number;
  lengthy: boolean;
  /** Whether a Prometheus watches, and each fault has to light its alerts and no others. */
  watched: boolean;
  seed: number;
}

export class UsageError extends Error {}

const DURATION_MS = 12_000;
const DURATION_SHORT_MS = 2_500;
/** Ten minutes, to rules that judge ten times faster. */
const DURATION_WATCHED_MS = 60_000;
const SEED_SHORT = 1;
const SEED_MAX = 2 ** 31;

export const HELP = `Usage: npm run chaos -- [flags]

Makes every fault below, each alone, under load, waits for calm and checks that nothing was lost, bought twice or
oversold, and that nothing is stuck.

Flags
  --short          the gate's form, under five minutes: ${SHORT_FAULTS.length} faults, each briefly, with seed ${SEED_SHORT}
  --only <list>    some faults only, separated by commas
  --alerts         each lasts a minute, and a Prometheus with rules that judge ten times faster has to see its alerts, and
                   no others; some strike as often then as leaves no luck in that (needs Debian's prometheus; 40 minutes)
  --minutes <n>    random mixtures of faults for so many minutes, instead of each alone
  --seed <n>       makes the random choices of an earlier run again
  --help           says this

Faults
${FAULTS.map(({ name, what }) => `  ${name.padEnd(24)} ${what}`).join('\n')}`;

/** Throws UsageError; undefined where only help is wanted. */
export function parseFlags(args: string[]): Flags | undefined {
  const values = read(args);
  if (values.help) return undefined;
  const short = values.short ?? false;
  const faults = values.only === undefined ? (short ? SHORT_FAULTS : FAULTS) : faultsIn(values.only);
  const minutes = values.minutes === undefined ? 0 : positive('--minutes', values.minutes);
  const watched = values.alerts ?? false;
  if (watched && (short || minutes > 0)) throw new UsageError('--alerts: neither with --short nor with --minutes');
  return {
    alone: minutes > 0 ? [] : faults,
    minutes,
    mixed: faults,
    durationMs: watched ? DURATION_WATCHED_MS : short ? DURATION_SHORT_MS : DURATION_MS,
    lengthy: !short && minutes === 0 && !watched,
    watched,
    seed: values.seed === undefined ? (short ? SEED_SHORT : randomInt(SEED_MAX)) : seedIn(values.seed),
  };
}

function read(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        short: { type: 'boolean' },
        only: { type: 'string' },
        alerts: { type: 'boolean' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0]);
  }
}

function faultsIn(list: string): Fault[] {
  return list.split(',').map((text) => {
    const found = FAULTS.find(({ name }) => name === text.trim());
    if (found) return found;
    throw new UsageError(
      `--only: there is no fault ${text.trim()}; there are ${FAULTS.map(({ name }) => name).join(', ')}`,
    );
  });
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new UsageError(`${flag}: expected a positive number, found ${text}`);
  return value;
}

function seedIn(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value < SEED_MAX) return value;
  throw new UsageError(`--seed: expected a whole number from 0 to ${SEED_MAX - 1}, found ${text}`);
}
