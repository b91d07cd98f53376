import type { Command } from 'commander';
import type { FoundDifference, PartStatus, Run } from '../reconciliation/run';
import { ExitCode } from './exit-codes';
import { follow } from './following';
import { limitOption, noWaitOption, vendorOption } from './options';
import { type Desk, listed, segment, type Session } from './session';
import { type Column, counted, listText } from './table';

const PATH = '/v1/reconciliation/runs';
const UNDER_WAY: PartStatus[] = ['pending', 'running'];
const COLUMNS: Column<Run>[] = [
  ['run', ({ reconciliationRunId }) => reconciliationRunId],
  ['vendor', ({ vendorId }) => vendorId ?? 'all'],
  ['trigger', ({ trigger }) => trigger],
  ['dry', ({ dryRun }) => dryRun],
  ['status', ({ status }) => status],
  ['requested', ({ requestedAt }) => requestedAt],
  ['compared', ({ compared }) => compared],
  ['found', ({ found }) => found],
  ['opened', ({ opened }) => opened],
  ['closed', ({ closed }) => closed],
];
const FINDING_COLUMNS: Column<FoundDifference>[] = [
  ['kind', ({ kind }) => kind],
  ['about', ({ orderId, productId }) => orderId ?? productId],
  ['case', ({ case: now }) => now],
];

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
  desk.does<{ limit: number }>(
    reconcile.command('list').description('runs, newest first').addOption(limitOption()),
    async (session, _, { limit }) => {
      session.screen.list(await listed<Run>(session, PATH, {}, limit), COLUMNS, 'There were no runs.');
    },
  );
  desk.does(
    reconcile.command('show').description('one run, with what it found').argument('<reconciliationRunId>'),
    async ({ api, screen }, [runId]) => screen.show(await api.get<Run>(`${PATH}/${segment(runId!)}`)),
  );
}

async function followRun({ api, screen }: Session, runId: string): Promise<ExitCode> {
  const run = await follow(screen, () => api.get<Run>(`${PATH}/${segment(runId)}`), {
    isOver: ({ status }) => !UNDER_WAY.includes(status),
    progressOf: ({ status, parts, compared, found }) => ({
      done: parts.filter((part) => !UNDER_WAY.includes(part.status)).length,
      total: parts.length,
      what:
        status === 'pending'
          ? 'waits for a worker'
          : `${counted(compared, 'order')} compared, ${counted(found, 'difference')}`,
    }),
  });
  screen.tell(summary(run), run);
  if (run.status !== 'succeeded') return ExitCode.failed;
  return run.found > 0 ? ExitCode.found : ExitCode.done;
}

function summary({ reconciliationRunId, dryRun, status, compared, found, opened, closed, parts }: Run): string {
  const opening = dryRun ? 'would be opened' : 'opened';
  const notes = parts
    .filter(({ note }) => note !== null)
    .map((part) => `${part.vendorId} ${part.status}: ${part.note}`);
  const findings = parts.flatMap((part) => part.findings);
  const besides = findings.some((finding) => finding.case === 'dismissed') ? ' besides what was dismissed' : '';
  const differences = `${counted(found, 'difference')}${besides}`;
  const counts = `${counted(compared, 'order')} compared, ${differences}; ${counted(opened, 'case')} ${opening}, ${closed} closed`;
  const list = findings.length === 0 ? [] : ['', listText(findings, FINDING_COLUMNS)];
  return [`${reconciliationRunId} ${status}: ${counts}.`, ...notes, ...list].join('\n');
}
