import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CatalogueItem,
  type DialectName,
  type SimulatedVendor,
  startSimulator,
} from '../../src/simulator/simulator';

interface LedgerEntry {
  reference: string;
  sku: string;
  quantity: number;
  status: 'accepted' | 'cancelled' | 'refused';
}

/** A simulated vendor of the test's own, with its own books. */
export interface TestVendor {
  vendorId: string;
  kind: DialectName;
  baseUrl: string;
  /** What it really accepted: the independent truth. */
  accepted(): Promise<LedgerEntry[]>;
  faults(faults: Record<string, unknown>): Promise<void>;
  settings(settings: Record<string, number>): Promise<void>;
  setStock(sku: string, quantity: number): Promise<void>;
  stop(): Promise<void>;
}

/** Speaks `rest`, unless `more` names another dialect. */
export async function startVendor(
  vendorId: string,
  catalogue: SimulatedVendor['catalogue'],
  more: Partial<SimulatedVendor> = {},
): Promise<TestVendor> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-vendor-'));
  const simulator = await startSimulator({
    host: '127.0.0.1',
    port: 0,
    dataDir,
    vendors: [{ vendorId, name: `Vendor ${vendorId}`, catalogue, ...more }],
  });
  const { baseUrl, kind } = simulator.vendors[0]!;
  const put = async (path: string, body: unknown): Promise<void> => {
    const response = await fetch(`${baseUrl}/${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
  };
  return {
    vendorId,
    kind,
    baseUrl,
    accepted: async () => {
      const { items } = (await (await fetch(`${baseUrl}/_ledger`)).json()) as { items: LedgerEntry[] };
      return items.filter(({ status }) => status === 'accepted');
    },
    faults: (faults) => put('_faults', faults),
    settings: (settings) => put('_settings', settings),
    setStock: (sku, quantity) => put(`_stock/${encodeURIComponent(sku)}`, { quantity }),
    stop: async () => {
      await simulator.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** `count` products named `A-1`, `A-2`, …, each with the same quantity. */
export function catalogueOf(count: number, quantity: number): CatalogueItem[] {
  return Array.from({ length: count }, (_, index) => ({
    sku: `A-${index + 1}`,
    name: `Article ${index + 1}`,
    quantity,
    price: '19.99',
  }));
}
