import 'reflect-metadata';
import { print } from '../bench/report';
import { canReplay } from './faults/messages';
import { type Flags, HELP, parseFlags, UsageError } from './flags';
import { mixtures } from './mixtures';
import { keepEvidence, lineOf, newEvidenceFolder, tableOf, violationsOf } from './report';
import { type Round, type RoundResult, runRound } from './round';
import { BUYERS, CALM_MS, SETTINGS, VENDOR } from './settings';
import { startWorld, type StopSteps, type World } from './world/world';

class Interrupted extends Error {}

/** `npm run chaos`: makes faults in a whole installation under load, and checks what is always true. */
async function chaos(flags: Flags, world: World): Promise<boolean> {
  const results: RoundResult[] = [];
  let evidenceFolder: string | undefined;
  for (const round of await roundsOf(flags, world)) {
    const result = await runRound(world, round);
    results.push(result);
    console.log(lineOf(result));
    if (result.violations.length === 0) continue;
    for (const line of violationsOf(result)) console.log(line);
    evidenceFolder ??= newEvidenceFolder();
    console.log(`  evidence: ${keepEvidence(result, world, evidenceFolder)}`);
  }
  print(tableOf(results));
  console.log(`\nSeed ${flags.seed}. ${ended(world)}`);
  if (evidenceFolder !== undefined) console.log(`Evidence is kept in ${evidenceFolder}`);
  return evidenceFolder === undefined;
}

async function roundsOf(flags: Flags, world: World): Promise<Iterable<Round>> {
  const { alone, mixed, minutes, seed, durationMs, lengthy, watched } = flags;
  const possible = new Set((await canReplay(world)) ? [] : ['replay']);
  if (possible.size > 0) console.log('This installation cannot replay dead letters; replay is left out.');
  const can = ({ name }: { name: string }): boolean => !possible.has(name);
  if (minutes > 0) return during(minutes, mixtures(mixed.filter(can), seed));
  return alone
    .filter(can)
    .map((fault) => ({ name: fault.name, seed, faults: [fault], durationMs, lengthy, mustStrike: true, watched }));
}

function* during(minutes: number, rounds: Iterable<Round>): Generator<Round> {
  const until = performance.now() + minutes * 60_000;
  for (const round of rounds) {
    if (performance.now() > until) return;
    yield round;
  }
}

/** A process that ends by itself is started again, as a supervisor would; how often belongs in the report. */
function ended({ processes }: World): string {
  const those = processes.filter(({ endedByItself }) => endedByItself > 0);
  if (those.length === 0) return 'No process ended by itself.';
  return `Ended by themselves: ${those.map(({ name, endedByItself }) => `${name} ${endedByItself} times`).join(', ')}.`;
}

/** Undoes all that was started, whatever became of it; a step that fails does not keep the others from running. */
async function undo(stopSteps: StopSteps): Promise<void> {
  for (let step = stopSteps.pop(); step; step = stopSteps.pop()) {
    try {
      await step();
    } catch (error) {
      console.error(error);
    }
  }
}

function tellSettings({ seed }: Flags): void {
  const values = Object.entries(SETTINGS).map(([key, value]) => `${key}=${value}`);
  console.log(`Settings: ${values.join(' ')}`);
  console.log(
    `Vendors: ${JSON.stringify(VENDOR)}; ${BUYERS} buyers; calm for ${CALM_MS / 1000} s at most; seed ${seed}`,
  );
}

async function main(): Promise<number> {
  const flags = parseFlags(process.argv.slice(2));
  if (!flags) {
    console.log(HELP);
    return 0;
  }
  const stopSteps: StopSteps = [];
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => reject(new Interrupted(`Ended by ${signal}.`)));
  });
  interrupted.catch(() => undefined);
  tellSettings(flags);
  console.log('Starting RabbitMQ, PostgreSQL, two APIs, two workers and the vendors …');
  const starting = startWorld(stopSteps);
  starting.catch(() => undefined);
  try {
    const world = await Promise.race([starting, interrupted]);
    return (await Promise.race([chaos(flags, world), interrupted])) ? 0 : 1;
  } finally {
    // What is half started can only be stopped once it is whole, or has failed.
    await starting.catch(() => undefined);
    await undo(stopSteps);
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof UsageError) console.error(`${error.message}\n\n${HELP}`);
    else console.error(error instanceof Interrupted ? error.message : error);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
