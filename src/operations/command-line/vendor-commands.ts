import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { VendorNow } from '../../vendors/vendor';
import { WrongCall } from './exit-codes';
import { limitOption } from './options';
import { type Desk, listed, segment, type Session } from './session';
import type { Column } from './table';

const COLUMNS: Column<VendorNow>[] = [
  ['vendor', ({ vendorId }) => vendorId],
  ['kind', ({ kind }) => kind],
  ['enabled', ({ enabled }) => enabled],
  ['paused', ({ paused }) => paused],
  ['orders breaker', ({ breakers }) => breakers.orders],
  ['stock breaker', ({ breakers }) => breakers.stock],
  ['last sync', ({ lastSyncAt }) => lastSyncAt],
  ['stock age (s)', ({ stockAgeSeconds }) => stockAgeSeconds],
  ['stale', ({ stale }) => stale],
];

export function vendorCommands(program: Command, desk: Desk): void {
  const vendors = program
    .command('vendors')
    .description('the vendors: how they are, and whether they are dispatched to');

  desk.does<{ limit: number }>(
    vendors.command('list', { isDefault: true }).description('all of them').addOption(limitOption()),
    async (session, _, { limit }) => {
      const page = await listed<VendorNow>(session, '/v1/vendors', {}, limit);
      session.screen.list(page, COLUMNS, 'There are no vendors.');
    },
  );
  desk.does(
    vendors.command('show').description('one vendor, with its settings').argument('<vendorId>'),
    async ({ api, screen }, [vendorId]) => screen.show(await api.get<VendorNow>(pathOf(vendorId!))),
  );
  desk.does(
    vendors.command('pause').description('stop dispatch to it; its orders wait').argument('<vendorId>'),
    (session, [vendorId]) => setPaused(session, vendorId!, 'pause'),
  );
  desk.does(
    vendors.command('resume').description('dispatch to it again').argument('<vendorId>'),
    (session, [vendorId]) => setPaused(session, vendorId!, 'resume'),
  );
  desk.does<{ from: string }>(
    vendors
      .command('put')
      .description('register it, or replace it as a whole')
      .argument('<vendorId>')
      .requiredOption('--from <file>', 'its settings as JSON, as PUT /v1/vendors/{vendorId} takes them'),
    async ({ api, screen }, [vendorId], { from }) => {
      screen.show(await api.put<VendorNow>(pathOf(vendorId!), await jsonIn(from)));
    },
  );
}

async function setPaused({ api, screen }: Session, vendorId: string, what: 'pause' | 'resume'): Promise<void> {
  const vendor = await api.post<VendorNow>(`${pathOf(vendorId)}/${what}`);
  const now = vendor.paused ? 'paused: its orders wait' : `dispatched to again (its breaker is ${vendor.breaker})`;
  screen.tell(`${vendor.name} is ${now}.`, vendor);
}

async function jsonIn(file: string): Promise<object> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as object;
  } catch (cause) {
    throw new WrongCall(`--from: ${file} cannot be read as JSON (${(cause as Error).message}).`);
  }
}

function pathOf(vendorId: string): string {
  return `/v1/vendors/${segment(vendorId)}`;
}
