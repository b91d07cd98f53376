import type { Command } from 'commander';
import { SYNC_STATUSES, type SyncRun } from '../../stock/sync/sync-run';
import type { Page } from './api';
import { CommandFailed, ExitCode } from './exit-codes';
import { follow } from './following';
import { limitOption, noteOption, noWaitOption } from './options';
import { type Desk, listed, segment, type Session } from './session';
import type { Column } from './table';

/** Pages in which a run is looked for: it is among the newest. */
const PAGES_MAX = 20;
const COLUMNS: Column<SyncRun>[] = [
  ['sync run', ({ syncRunId }) => syncRunId],
  ['trigger', ({ trigger }) => trigger],
  ['kind', ({ kind }) => kind],
  ['status', ({ status }) => status],
  ['started', ({ startedAt }) => startedAt],
  ['seen', ({ seen }) => seen],
  ['changed', ({ changed }) => changed],
  ['missing', ({ missing }) => missing],
  ['rejected', ({ rejected }) => rejected],
  ['error', ({ error }) => error],
];

export function syncCommands(program: Command, desk: Desk): void {
  const syncs = program.command('sync').description("a vendor's stock syncs");

  desk.does<{ wait: boolean }>(
    syncs
      .command('start', { isDefault: true })
      .description('poll its stock now, and wait')
      .argument('<vendorId>')
      .addOption(noWaitOption()),
    async (session, [vendorId], { wait }) => {
      const asked = await session.api.post<{ syncRunId: string }>(`/v1/vendors/${segment(vendorId!)}/sync`);
      if (wait) return followRun(session, vendorId!, asked.syncRunId);
      session.screen.tell(`Asked for ${asked.syncRunId}; a worker takes it as soon as it can.`, asked);
    },
  );
  desk.does(
    syncs.command('follow').description('wait for one').argument('<vendorId>').argument('<syncRunId>'),
    (session, [vendorId, syncRunId]) => followRun(session, vendorId!, syncRunId!),
  );
  desk.does<{ status?: string; limit: number }>(
    syncs
      .command('list')
      .description('newest first')
      .argument('<vendorId>')
      .option('--status <status>', SYNC_STATUSES.join(', '))
      .addOption(limitOption()),
    async (session, [vendorId], { status, limit }) => {
      session.screen.list(
        await listed<SyncRun>(session, pathOf(vendorId!), { status }, limit),
        COLUMNS,
        'There were no such syncs.',
      );
    },
  );
  for (const [what, description] of [
    ['accept', 'apply what a held one found'],
    ['reject', 'dismiss what a held one found'],
  ] as const) {
    desk.does<{ note: string }>(
      syncs
        .command(what)
        .description(description)
        .argument('<vendorId>')
        .argument('<syncRunId>')
        .addOption(noteOption()),
      async ({ api, screen }, [vendorId, syncRunId], { note }) => {
        const run = await api.post<SyncRun>(`${pathOf(vendorId!)}/${segment(syncRunId!)}/${what}`, { note });
        screen.tell(summary(run), run);
      },
    );
  }
}

async function followRun(session: Session, vendorId: string, syncRunId: string): Promise<ExitCode> {
  const run = await follow(session.screen, () => runOf(session, vendorId, syncRunId), {
    isOver: ({ status }) => status !== 'pending' && status !== 'running',
    progressOf: ({ status, seen, rowsExpected, rowsPerSecond }) => ({
      done: seen,
      total: rowsExpected,
      what: status === 'pending' ? 'waits for a worker' : `${seen} rows, ${rowsPerSecond ?? 0}/s`,
    }),
  });
  session.screen.tell(summary(run), run);
  // One that finds what a held one has found already is superseded.
  if (run.status === 'held' || (run.status === 'superseded' && (await anyHeld(session, vendorId))))
    return ExitCode.found;
  return run.status === 'succeeded' || run.status === 'superseded' ? ExitCode.done : ExitCode.failed;
}

async function anyHeld({ api }: Session, vendorId: string): Promise<boolean> {
  return (await api.get<Page<SyncRun>>(pathOf(vendorId), { status: 'held', limit: 1 })).items.length > 0;
}

async function runOf({ api }: Session, vendorId: string, syncRunId: string): Promise<SyncRun> {
  let cursor: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await api.get<Page<SyncRun>>(pathOf(vendorId), { limit: 200, cursor });
    const run = page.items.find((each) => each.syncRunId === syncRunId);
    if (run) return run;
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  throw new CommandFailed(`There is no sync run ${syncRunId} among the latest of the vendor ${vendorId}.`);
}

function summary({ syncRunId, kind, status, seen, changed, missing, rejected, error }: SyncRun): string {
  const counts = `${seen} rows seen, ${changed} changed, ${missing} missing, ${rejected} rejected`;
  return `${syncRunId} (${kind}) ${status}: ${counts}.${error === null ? '' : `\n${error}`}`;
}

function pathOf(vendorId: string): string {
  return `/v1/vendors/${segment(vendorId)}/syncs`;
}
