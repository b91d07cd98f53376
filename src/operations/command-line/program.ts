import { Command, CommanderError } from 'commander';
import { ConfigError } from '../../config/config';
import { ApiRefused, ApiUnreachable } from './api';
import { caseCommands } from './case-commands';
import { consistencyCommands } from './consistency-commands';
import { deadLetterCommands } from './dead-letter-commands';
import { CommandFailed, EXIT_CODES, ExitCode, WrongCall } from './exit-codes';
import { orderCommands } from './order-commands';
import { queueCommands } from './queue-commands';
import { reconciliationCommands } from './reconciliation-commands';
import type { Streams } from './screen';
import { Desk, type OpenSession } from './session';
import { syncCommands } from './sync-commands';
import { harmless } from './table';
import { vendorCommands } from './vendor-commands';

const GROUPS = [
  vendorCommands,
  queueCommands,
  orderCommands,
  deadLetterCommands,
  syncCommands,
  reconciliationCommands,
  caseCommands,
  consistencyCommands,
];

const EPILOGUE = `
${EXIT_CODES}

Each command calls the HTTP API, so a key's scopes and the audit hold (docs/operating.md). Answers go to standard output.`;

/** Runs one operator's command and answers its exit code. Throws what nobody expected. */
export async function runOps(argv: string[], streams: Streams, open: OpenSession): Promise<ExitCode> {
  const desk = new Desk(open);
  try {
    await opsProgram(streams, desk).parseAsync(argv, { from: 'user' });
    return desk.exitCode;
  } catch (error) {
    return told(error, streams, argv.includes('--json'));
  }
}

function opsProgram({ out, err }: Streams, desk: Desk): Command {
  const program = new Command('npm run ops --')
    .description('See a running Holdfast, steer it, mend it.')
    .option('--url <url>', 'where the API is (HOLDFAST_URL; else the embedded installation, or this machine at PORT)')
    .option(
      '--key <key>',
      'an API key with the scope ops (better: HOLDFAST_API_KEY, which nobody sees in a process list)',
    )
    .option('--json', 'answer with the JSON of the API')
    .addHelpText('after', EPILOGUE)
    .exitOverride()
    .configureOutput({ writeOut: (text) => out.write(text), writeErr: (text) => err.write(text) });
  for (const add of GROUPS) add(program, desk);
  return program;
}

/** Writes what went wrong, and answers what the caller's script is to know of it. */
function told(error: unknown, { err }: Streams, json: boolean): ExitCode {
  const say = (text: string): void => void err.write(`${harmless(text)}\n`);
  // Commander has said it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  if (error instanceof ApiRefused) {
    say(json ? JSON.stringify(error.problem, null, 2) : refusalText(error));
    return error.saysNothing ? ExitCode.notAsked : ExitCode.failed;
  }
  if (error instanceof ApiUnreachable) {
    say(error.message);
    return ExitCode.notAsked;
  }
  if (error instanceof CommandFailed) {
    say(error.message);
    return ExitCode.failed;
  }
  if (error instanceof WrongCall || error instanceof ConfigError) {
    say(error.message);
    return ExitCode.usage;
  }
  throw error;
}

function refusalText({ problem: { title, code, detail, errors = [], requestId } }: ApiRefused): string {
  const fields = errors.map(({ field, message }) => `  ${field}: ${message}`);
  // The detail of a request that breaks a rule says the same as its fields.
  const lines = errors.length > 0 && code === 'VALIDATION_FAILED' ? fields : [detail, ...fields];
  return [`${title} (${code}, request ${requestId})`, ...lines].join('\n');
}
