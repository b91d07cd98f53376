import { type SyncLease, SyncLeaseLost } from '../../../../src/stock/sync/sync-lease.repository';
import type { SyncResult } from '../../../../src/stock/sync/sync-run';
import { type Round, VENDORS, type VendorId } from './history';
import type { Stage } from './stage';

const HOUR_MS = 3_600_000;

export interface PlayedSync {
  vendorId: VendorId;
  status: SyncResult['status'];
  /** Two fought for the vendor's lease. */
  contested: boolean;
}

/** One poll for a vendor, or two where the second takes the lease from the first in the midst of things. */
export async function polls(stage: Stage, { steps }: Round): Promise<(() => Promise<PlayedSync | undefined>)[]> {
  await stage.calmSyncs();
  const starts: (() => Promise<PlayedSync | undefined>)[] = [];
  for (const vendorId of VENDORS) {
    const syncs = steps.filter((step) => step.kind === 'sync').filter((step) => step.vendorId === vendorId);
    const thief = syncs.slice(1).find(({ steals }) => steals);
    stage.vendors[vendorId].feeds = [syncs[0], thief].flatMap((step) => step?.feed ?? []);
    if (!syncs[0]) continue;
    const contested = thief !== undefined;
    const lease = (await stage.leaseSync(vendorId, syncs[0]))!;
    starts.push(() => poll(stage, lease, contested));
    if (thief) {
      starts.push(async () => {
        await turns(stage, steps.indexOf(thief));
        const stolen = await stage.leaseSync(vendorId, thief);
        return stolen && poll(stage, stolen, contested);
      });
    }
  }
  return starts;
}

async function poll({ sync }: Stage, lease: SyncLease, contested: boolean): Promise<PlayedSync> {
  const vendorId = lease.vendor.vendorId as VendorId;
  try {
    const { status } = await sync.run(lease, new AbortController().signal);
    await sync.release(lease, HOUR_MS);
    // A listing that asks the same of an operator as one that waits already.
    return { vendorId, status: status === 'superseded' ? 'held' : status, contested };
  } catch (error) {
    if (!(error instanceof SyncLeaseLost)) throw error;
    return { vendorId, status: 'failed', contested };
  }
}

/** So many answers of the database go by. */
export async function turns({ app }: Stage, count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await app.dataSource.query('SELECT');
}
