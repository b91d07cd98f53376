import type { Command } from 'commander';
import { ExitCode } from './exit-codes';
import { follow } from './following';
import { noWaitOption, vendorOption } from './options';
import { type Desk, segment, type Session } from './session';

/** What of a run is read here. */
interface ShownRun {
  reconciliationRunId: string;
  dryRun: boolean;
  status: string;
  compared: number;
  found: number;
  opened: number;
  closed: number;
  parts: { vendorId: string; status: string; note: string | null }[];
}

const PATH = '/v1/reconciliation/runs';
const UNDER_WAY = ['pending', 'running'];

export function reconciliationCommands(program: Command, desk: Desk): void {
  const reconcile = program.command('reconcile').description('compare our books with the vendors’');

  desk.does<{ vendor?: string; dryRun?: boolean; wait: boolean }>(
    reconcile
      .command('start', { isDefault: true })
      .description('compare now, and wait')
      .addOption(vendorOption())
      .option('--dry-run', 'tell what would be opened, and open nothing')
      .addOption(noWaitOption()),
    async (session, _, { vendor: vendorId, dryRun = false, wait }) => {
      const asked = await session.api.post<{ reconciliationRunId: string }>(PATH, { vendorId, dryRun });
      if (wait) return followRun(session, asked.reconciliationRunId);
      session.screen.tell(`Asked for ${asked.reconciliationRunId}; a worker takes it as soon as it can.`, asked);
    },
  );
  desk.does(
    reconcile.command('follow').description('wait for one').argument('<reconciliationRunId>'),
    (session, [runId]) => followRun(session, runId!),
  );
  desk.does(
    reconcile.command('show').description('one run, with what it found').argument('<reconciliationRunId>'),
    async ({ api, screen }, [runId]) => screen.show(await api.get<ShownRun>(`${PATH}/${segment(runId!)}`)),
  );
}

async function followRun({ api, screen }: Session, runId: string): Promise<ExitCode> {
  const run = await follow(screen, () => api.get<ShownRun>(`${PATH}/${segment(runId)}`), {
    isOver: ({ status }) => !UNDER_WAY.includes(status),
    progressOf: ({ status, parts, compared, found }) => ({
      done: parts.filter((part) => !UNDER_WAY.includes(part.status)).length,
      total: parts.length,
      what: status === 'pending' ? 'waits for a worker' : `${compared} orders compared, ${found} differences`,
    }),
  });
  screen.tell(summary(run), run);
  if (run.status !== 'succeeded') return ExitCode.failed;
  return run.found > 0 ? ExitCode.found : ExitCode.done;
}

function summary({ reconciliationRunId, dryRun, status, compared, found, opened, closed, parts }: ShownRun): string {
  const opening = dryRun ? 'would be opened' : 'opened';
  const counts = `${compared} orders compared, ${found} differences; ${opened} cases ${opening}, ${closed} closed`;
  const notes = parts
    .filter(({ note }) => note !== null)
    .map((part) => `\n${part.vendorId} ${part.status}: ${part.note}`);
  return `${reconciliationRunId} ${status}: ${counts}.${notes.join('')}`;
}
