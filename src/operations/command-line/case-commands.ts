import type { Command } from 'commander';
import type { Case } from '../reconciliation/case';
import { limitOption, noteOption, vendorOption } from './options';
import { type Desk, listed, segment } from './session';
import type { Column } from './table';

const PATH = '/v1/reconciliation/cases';
const COLUMNS: Column<Case>[] = [
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
      const page = await listed<Case>(session, PATH, { status, kind, vendorId: vendor }, limit);
      session.screen.list(page, COLUMNS, 'There are no such cases.');
    },
  );
  desk.does(
    cases.command('show').description('one case, with its evidence').argument('<caseId>'),
    async ({ api, screen }, [caseId]) => screen.show(await api.get<Case>(`${PATH}/${segment(caseId!)}`)),
  );
  desk.does<{ resolution: string; note: string }>(
    cases
      .command('resolve')
      .description('decide about it, in one of the ways that it names')
      .argument('<caseId>')
      .requiredOption('--resolution <resolution>', 'one of those that fit it')
      .addOption(noteOption()),
    async ({ api, screen }, [caseId], { resolution, note }) => {
      const resolved = await api.post<Case>(`${PATH}/${segment(caseId!)}/resolve`, { resolution, note });
      screen.tell(`${resolved.caseId} is resolved: ${resolved.resolution}.`, resolved);
    },
  );
}
