import type { Command } from 'commander';
import type { DeadLetter } from '../dead-letters/dead-letter';
import type { Replayed } from '../dead-letters/replay';
import { ExitCode, WrongCall } from './exit-codes';
import { limitOption, vendorOption } from './options';
import { type Desk, listed, segment, type Session } from './session';
import type { Column } from './table';

const PATH = '/v1/dead-letters';
const COLUMNS: Column<DeadLetter>[] = [
  ['dead letter', ({ deadLetterId }) => deadLetterId],
  ['vendor', ({ vendorId }) => vendorId],
  ['order', ({ orderId }) => orderId],
  ['status', ({ status }) => status],
  ['created', ({ createdAt }) => createdAt],
  ['cause', ({ cause }) => cause],
];

interface ReplayOptions {
  all?: boolean;
  vendor?: string;
  before?: string;
  dryRun?: boolean;
}

export function deadLetterCommands(program: Command, desk: Desk): void {
  const letters = program.command('dead-letters').description('what was given up, and why');

  desk.does<{ vendor?: string; status?: string; limit: number }>(
    letters
      .command('list', { isDefault: true })
      .description('newest first')
      .addOption(vendorOption())
      .option('--status <status>', 'open, replayed or dismissed')
      .addOption(limitOption()),
    async (session, _, { vendor, status, limit }) => {
      const page = await listed<DeadLetter>(session, PATH, { vendorId: vendor, status }, limit);
      session.screen.list(page, COLUMNS, 'There are no such dead letters.');
    },
  );
  desk.does(
    letters.command('show').description('one of them, with what was tried').argument('<deadLetterId>'),
    async ({ api, screen }, [id]) => screen.show(await api.get<DeadLetter>(`${PATH}/${segment(id!)}`)),
  );
  desk.does<ReplayOptions>(
    program
      .command('replay')
      .description('put orders that were given up back on their way; nothing is bought twice')
      .argument('[deadLetterId]', 'one letter, at once')
      .option('--all', 'every open one, the oldest first, at the pace the API keeps')
      .addOption(vendorOption())
      .option('--before <time>', 'only letters created before this time (ISO 8601)')
      .option('--dry-run', 'tell what would happen, and change nothing'),
    async (session, [id], options) => {
      const { all, vendor: vendorId, before, dryRun = false } = options;
      const some = all === true || vendorId !== undefined || before !== undefined;
      if ((id !== undefined) === some || (id !== undefined && dryRun)) {
        throw new WrongCall('replay: name one dead letter, or say which with --all, --vendor or --before.');
      }
      return id === undefined ? replayMany(session, { vendorId, before }, dryRun) : replayOne(session, id);
    },
  );
}

async function replayOne({ api, screen }: Session, id: string): Promise<void> {
  const told = await api.post<Replayed>(`${PATH}/${segment(id)}/replay`);
  const sentence =
    told.replayed > 0
      ? 'Its order is on its way again.'
      : told.matched > 0
        ? 'Its order is decided, so it was dismissed.'
        : 'It was replayed or dismissed before; nothing was changed.';
  screen.tell(sentence, told);
}

/** A request takes a bounded number, the oldest; the next goes on while fewer are left each time. */
async function replayMany(
  { api, screen }: Session,
  which: { vendorId?: string; before?: string },
  dryRun: boolean,
): Promise<ExitCode> {
  if (dryRun) {
    const told = await api.post<Replayed>(`${PATH}/replay`, { ...which, dryRun });
    screen.tell(`${told.matched} open letters; ${told.replayed} of the oldest would be replayed.`, told);
    return ExitCode.done;
  }
  const replay = () => api.post<Replayed>(`${PATH}/replay`, which);
  const first = await replay();
  let { matched: left, replayed } = first;
  try {
    for (let before = Infinity; left > 0 && left < before;) {
      before = left;
      const next = await replay();
      left = next.matched;
      replayed += next.replayed;
      screen.progress(first.matched - left, first.matched, `${replayed} replayed`);
    }
  } finally {
    screen.clearProgress();
  }
  const rest = left === 0 ? '' : ` ${left} stay open: sending does not mend them, or they have come since.`;
  screen.tell(`${first.matched} open letters, ${replayed} replayed.${rest}`, {
    matched: first.matched,
    replayed,
    left,
    dryRun,
  });
  return left === 0 ? ExitCode.done : ExitCode.found;
}
