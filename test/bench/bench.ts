import 'reflect-metadata';
import { type Flags, HELP, parseFlags, UsageError } from './flags';
import { caveats, describeMachine } from './machine';
import { benchCompare } from './compare/compare';
import { benchConsistency } from './consistency/consistency';
import { benchDispatch } from './dispatch/dispatch';
import { benchIsolation } from './dispatch/isolation';
import { benchOverhead } from './overhead/overhead';
import { benchPlacement } from './placement/placement';
import { benchReads } from './reads/reads';
import { benchReconciliation } from './reconciliation/reconciliation';
import { print, type Report, RESULTS, save } from './report';
import { soak } from './soak';
import { benchStock } from './stock/stock';
import { benchVendors } from './vendors/vendors';
import { startTestbed, type StopSteps, type Testbed } from './testbed';

class Interrupted extends Error {}

/** `npm run bench`: measures, prints tables and keeps the figures with the facts they depend on. */
async function bench(flags: Flags, testbed: Testbed, stopSteps: StopSteps): Promise<void> {
  const machine = describeMachine(testbed.postgresVersion);
  const { cpu, cores, memoryGiB, node, postgres, diskSyncMs, commit } = machine;
  console.log(`${cpu}, ${cores} cores, ${memoryGiB} GiB; Node ${node}, PostgreSQL ${postgres}; commit ${commit}`);
  console.log(`A write that reaches the disk takes ${diskSyncMs} ms.`);
  const warnings = caveats(machine);
  for (const warning of warnings) console.log(`Take care: ${warning}`);

  const { tables, data } = await runSection(flags, testbed, stopSteps);
  tables.forEach(print);
  const file = save({ at: new Date().toISOString(), flags, machine, warnings, [flags.section]: data });
  console.log(`\nKept in ${file}`);
}

function runSection(flags: Flags, testbed: Testbed, stopSteps: StopSteps): Promise<Report> {
  switch (flags.section) {
    case 'placement':
      return benchPlacement(testbed, stopSteps, flags);
    case 'dispatch':
      return benchDispatch(testbed, stopSteps, flags);
    case 'isolation':
      return benchIsolation(testbed, stopSteps, flags);
    case 'reads':
      return benchReads(testbed, flags);
    case 'stock':
      return benchStock(testbed, stopSteps, flags);
    case 'overhead':
      return benchOverhead(testbed, stopSteps, flags);
    case 'compare':
      return benchCompare(testbed, flags);
    case 'consistency':
      return benchConsistency(testbed, flags);
    case 'vendors':
      return benchVendors(testbed, stopSteps, flags);
    case 'reconciliation':
      return benchReconciliation(testbed, stopSteps, flags);
    case 'soak':
      return soak(testbed, flags);
  }
}

/** Undoes all that was started, whatever became of the bench; a step that fails does not keep the others from running. */
async function undo(stopSteps: StopSteps): Promise<void> {
  for (let step = stopSteps.pop(); step; step = stopSteps.pop()) {
    try {
      await step();
    } catch (error) {
      console.error(error);
    }
  }
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
  console.log(`Starting PostgreSQL and the API for ${flags.section} …`);
  const starting = startTestbed(stopSteps, flags.profile ? RESULTS : undefined);
  try {
    const testbed = await Promise.race([starting, interrupted]);
    await Promise.race([bench(flags, testbed, stopSteps), interrupted]);
    return 0;
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
