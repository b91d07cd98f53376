import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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
  return {
    vendorId,
    kind,
    baseUrl,
    accepted: async () => {
      const { items } = (await (await fetch(`${baseUrl}/_ledger`)).json()) as { items: LedgerEntry[] };
      return items.filter(({ status }) => status === 'accepted');
    },
    faults: (faults) => put(baseUrl, '_faults', faults),
    settings: (settings) => put(baseUrl, '_settings', settings),
    setStock: (sku, quantity) => put(baseUrl, `_stock/${encodeURIComponent(sku)}`, { quantity }),
    stop: async () => {
      await simulator.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export interface BigVendorOptions {
  dialect: DialectName;
  /** Up to 1,000,000 products, all generated. */
  count: number;
  seed?: number;
  vendorId?: string;
  /** Any that is free, when absent. */
  port?: number;
  settings?: SimulatedVendor['settings'];
}

/** A vendor of any size, in a process of its own. */
export interface BigVendor {
  vendorId: string;
  kind: DialectName;
  baseUrl: string;
  pid: number;
  /** Gives so many products, or such a share of them, another quantity, each once. */
  touch(products: { count: number } | { share: number }, seed?: number): Promise<void>;
  faults(faults: Record<string, unknown>): Promise<void>;
  settings(settings: Record<string, number>): Promise<void>;
  stop(): Promise<void>;
}

export async function startBigVendor(options: BigVendorOptions): Promise<BigVendor> {
  const { vendorId = 'big', dialect } = options;
  const program = [join(__dirname, 'run-typescript.cjs'), join(__dirname, 'big-vendor.ts'), JSON.stringify(options)];
  // The channel tells it when we are gone, however we went.
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const [baseUrl] = (await Promise.race([
    once(createInterface(child.stdout!), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('The big vendor ended before it had started.'))),
  ])) as [string];
  return {
    vendorId,
    kind: dialect,
    baseUrl,
    pid: child.pid!,
    touch: (products, seed) => put(baseUrl, '_stock', { touch: { ...products, ...(seed !== undefined && { seed }) } }),
    faults: (faults) => put(baseUrl, '_faults', faults),
    settings: (settings) => put(baseUrl, '_settings', settings),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function put(baseUrl: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(`${baseUrl}/${path}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
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
