import type { Command } from 'commander';
import type { DeadLetter } from '../dead-letters/dead-letter';
import type { Dismissed } from '../dead-letters/dismissal';
import type { Replayed } from '../dead-letters/replay';
import type { OpenLetters } from '../../messaging/dead-letters/dead-letter.repository';
import { ExitCode, WrongCall } from './exit-codes';
import { limitOption, vendorOption } from './options';
import { type Desk, listed, segment, type Session } from './session';
import { type Column, counted } from './table';

const PATH = '/v1/dead-letters';
const BEFORE = 'only letters created before this time (ISO 8601)';
const DRY_RUN = 'tell what would happen, and change nothing';
const COLUMNS: Column<DeadLetter>[] = [
  ['dead letter', ({ deadLetterId }) => deadLetterId],
  ['vendor', ({ vendorId }) => vendorId],
  ['order', ({ orderId }) => orderId],
  ['status', ({ status }) => status],
  ['created', ({ createdAt }) => createdAt],
  ['cause', ({ cause }) => cause],
];

interface WhichOptions {
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
  desk.does<WhichOptions>(
    letters
      .command('dismiss')
      .description('close those about no order of ours, such as messages that nobody can read')
      .argument('[deadLetterId]', 'one letter')
      .option('--all', 'every open one that is about no order')
      .addOption(vendorOption())
      .option('--before <time>', BEFORE)
      .option('--dry-run', DRY_RUN),
    (session, [id], options) => {
      const { dryRun = false, ...which } = whichOf('dead-letters dismiss', id, options);
      return id === undefined ? dismissMany(session, which, dryRun) : dismissOne(session, id);
    },
  );
  desk.does<WhichOptions>(
    program
      .command('replay')
      .description('put orders that were given up back on their way; nothing is bought twice')
      .argument('[deadLetterId]', 'one letter, at once')
      .option('--all', 'every open one, the oldest first, at the pace the API keeps')
      .addOption(vendorOption())
      .option('--before <time>', BEFORE)
      .option('--dry-run', DRY_RUN),
    async (session, [id], options) => {
      const { dryRun = false, ...which } = whichOf('replay', id, options);
      return id === undefined ? replayMany(session, which, dryRun) : replayOne(session, id);
    },
  );
}

/** Throws `WrongCall` unless either one letter is named or several are meant. */
function whichOf(command: string, id: string | undefined, { all, vendor: vendorId, before, dryRun }: WhichOptions) {
  const some = all === true || vendorId !== undefined || before !== undefined;
  if ((id !== undefined) === some || (id !== undefined && dryRun === true)) {
    throw new WrongCall(`${command}: name one dead letter, or say which with --all, --vendor or --before.`);
  }
  return { vendorId, before, dryRun };
}

async function dismissOne({ api, screen }: Session, id: string): Promise<void> {
  const told = await api.post<Dismissed>(`${PATH}/${segment(id)}/dismiss`);
  screen.tell(
    told.dismissed > 0 ? 'It is dismissed.' : 'It was replayed or dismissed before; nothing was changed.',
    told,
  );
}

/** A request takes a bounded number, the oldest; the next goes on until one finds none. */
async function dismissMany({ api, screen }: Session, which: OpenLetters, dryRun: boolean): Promise<void> {
  const dismiss = () => api.post<Dismissed>(`${PATH}/dismiss`, { ...which, dryRun });
  const told = await dismiss();
  for (let last = told; !dryRun && last.dismissed > 0; told.dismissed += last.dismissed) last = await dismiss();
  const stay = told.matched - told.dismissed;
  const rest = stay > 0 ? ` ${stay} ${dryRun ? 'would ' : ''}stay open: they are about orders.` : '';
  screen.tell(
    `${counted(told.matched, 'open letter')}, ${told.dismissed} ${dryRun ? 'would be ' : ''}dismissed.${rest}`,
    told,
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
async function replayMany({ api, screen }: Session, which: OpenLetters, dryRun: boolean): Promise<ExitCode> {
  if (dryRun) {
    const told = await api.post<Replayed>(`${PATH}/replay`, { ...which, dryRun });
    const would = told.replayed === told.matched ? 'all' : `${told.replayed} of the oldest`;
    screen.tell(`${counted(told.matched, 'open letter')}; ${would} would be replayed.`, told);
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
  screen.tell(`${counted(first.matched, 'open letter')}, ${replayed} replayed.${rest}`, {
    matched: first.matched,
    replayed,
    left,
    dryRun,
  });
  return left === 0 ? ExitCode.done : ExitCode.found;
}
