import type { Command } from 'commander';
import { limitOption, noteOption, vendorOption } from './options';
import { type Desk, listed, segment } from './session';
import type { Column } from './table';

/** What of a case is read here. */
interface ShownCase {
  caseId: string;
  vendorId: string;
  orderId: string | null;
  productId: string | null;
  kind: string;
  resolutions: string[];
  status: string;
  resolution: string | null;
  openedAt: string;
}

const PATH = '/v1/reconciliation/cases';
const COLUMNS: Column<ShownCase>[] = [
  ['case', ({ caseId }) => caseId],
  ['vendor', ({ vendorId }) => vendorId],
  ['kind', ({ kind }) => kind],
  ['about', ({ orderId, productId }) => orderId ?? productId],
  ['status', ({ status, resolution }) => (resolution === null ? status : `${status} (${resolution})`)],
  ['opened', ({ openedAt }) => openedAt],
  ['resolutions', ({ resolutions }) => resolutions, 'whole'],
];

export function caseCommands(program: Command, desk: Desk): void {
  const cases = program.command('cases').description('differences between our books and the vendors’');

  desk.does<{ status?: string; kind?: string; vendor?: string; limit: number }>(
    cases
      .command('list', { isDefault: true })
      .description('newest first')
      .option('--status <status>', 'open or resolved')
      .option('--kind <kind>', 'only of this kind')
      .addOption(vendorOption())
      .addOption(limitOption()),
    async (session, _, { status, kind, vendor, limit }) => {
      const page = await listed<ShownCase>(session, PATH, { status, kind, vendorId: vendor }, limit);
      session.screen.list(page, COLUMNS, 'There are no such cases.');
    },
  );
  desk.does(
    cases.command('show').description('one case, with its evidence').argument('<caseId>'),
    async ({ api, screen }, [caseId]) => screen.show(await api.get<ShownCase>(`${PATH}/${segment(caseId!)}`)),
  );
  desk.does<{ note: string }>(
    cases
      .command('resolve')
      .description('mend it, in one of the ways that it names')
      .argument('<caseId>')
      .argument('<resolution>')
      .addOption(noteOption()),
    async ({ api, screen }, [caseId, resolution], { note }) => {
      const resolved = await api.post<ShownCase>(`${PATH}/${segment(caseId!)}/resolve`, { resolution, note });
      screen.tell(`${resolved.caseId} is resolved: ${resolved.resolution}.`, resolved);
    },
  );
}
