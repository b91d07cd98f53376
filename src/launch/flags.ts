import { parseArgs } from 'node:util';

export const MODES = ['api', 'worker', 'all', 'vendors'] as const;
export type Mode = (typeof MODES)[number];

export const HELP = `Usage: node dist/main.js --mode=<mode> [--demo]

Modes
  api       the HTTP API only; stateless, any number of them
  worker    consumers, relay and schedulers, with a health port; any number of them
  all       both in one process
  vendors   three simulated vendors, to try things out

Flags
  --demo     with --mode=all: starts the simulated vendors in the process and registers them
  --help     this text
  --version  the version

Configuration comes from the environment; see docs/configuration.md.
Commands: npm start, npm run migrate, npm run keys, npm run ops, npm run backup, npm run restore.`;

export type Flags = { mode: Mode; demo: boolean } | { say: 'help' | 'version' };

/** A flag or mode that does not exist. The message names the valid ones. */
export class UsageError extends Error {}

/** Throws `UsageError`. */
export function parseFlags(argv: string[]): Flags {
  const { help, version, mode, demo = false } = parse(argv);
  if (help) return { say: 'help' };
  if (version) return { say: 'version' };
  const known = MODES.find((candidate) => candidate === mode);
  if (!known) throw new UsageError(`--mode: expected one of ${MODES.join(', ')}, found ${mode ?? 'nothing'}`);
  if (demo && known !== 'all') throw new UsageError('--demo: goes with --mode=all only');
  return { mode: known, demo };
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        mode: { type: 'string' },
        demo: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    }).values;
  } catch (error) {
    const [sentence] = (error as Error).message.split('. ');
    throw new UsageError(`${sentence}; the flags are --mode=<${MODES.join('|')}>, --demo, --help, --version`);
  }
}
