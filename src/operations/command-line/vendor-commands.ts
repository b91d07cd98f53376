import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Vendor, VendorNow } from '../../vendors/vendor';
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
  desk.does<{ from: string; moved?: true }>(
    vendors
      .command('put')
      .description('register it, or replace it as a whole')
      .argument('<vendorId>')
      .requiredOption('--from <file>', 'its settings as JSON, as PUT /v1/vendors/{vendorId} takes them')
      .option('--moved', MOVED),
    async ({ api, screen }, [vendorId], { from, moved }) => {
      screen.show(await api.put<VendorNow>(pathToPut(vendorId!, moved), await jsonIn(from)));
    },
  );
  desk.does<{ moved?: true }>(
    vendors
      .command('change')
      .description('change some of its settings, and leave the others as they are')
      .argument('<vendorId>')
      .argument('<setting=value...>', 'such as maxConcurrentOrders=8, staleStock.policy=block, credentialEnv=null')
      .option('--moved', MOVED),
    async ({ api, screen }, [vendorId, ...given], { moved }) => {
      const path = pathOf(vendorId!);
      const changes = given.flat().map(changeIn);
      const settings = settingsOf(await api.get<VendorNow>(path));
      screen.show(await api.put<VendorNow>(pathToPut(vendorId!, moved), changes.reduce(withChange, settings)));
    },
  );
}

const MOVED = 'the same books are at the new baseUrl: what was sent before is asked there';

type Settings = Omit<Vendor, 'vendorId'>;

/** What a vendor is called and how it is at the moment: all that is no setting. */
const NO_SETTING: Record<Exclude<keyof VendorNow, keyof Settings>, true> = {
  vendorId: true,
  breaker: true,
  breakers: true,
  paused: true,
  lastSyncAt: true,
  stockAgeSeconds: true,
  stale: true,
};

function settingsOf(vendor: VendorNow): Record<string, unknown> {
  return Object.fromEntries(Object.entries(vendor).filter(([name]) => !(name in NO_SETTING)));
}

interface Change {
  setting: string;
  /** Of a setting that has several, such as `policy` of `staleStock`. */
  part: string | undefined;
  value: unknown;
}

/** Throws `WrongCall`. */
function changeIn(given: string): Change {
  const { setting, part, value } = /^(?<setting>\w+)(\.(?<part>\w+))?=(?<value>.*)$/s.exec(given)?.groups ?? {};
  if (setting === undefined) throw new WrongCall(`${given}: expected <setting>=<value>.`);
  return { setting, part, value: valueIn(value!) };
}

/** `8`, `false` and `null` are what they look like; all else is text. */
function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function withChange(settings: Record<string, unknown>, { setting, part, value }: Change): Record<string, unknown> {
  if (part === undefined) return { ...settings, [setting]: value };
  return { ...settings, [setting]: { ...(settings[setting] as object), [part]: value } };
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

function pathToPut(vendorId: string, moved = false): string {
  return `${pathOf(vendorId)}${moved ? '?moved=true' : ''}`;
}

function pathOf(vendorId: string): string {
  return `/v1/vendors/${segment(vendorId)}`;
}
