/** A running simulator with one small vendor, and the few requests the suites here make of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningSimulator, type SimulatedVendor, startSimulator } from '../../../src/simulator/simulator';

export const VENDOR_ID = 'test-shop';

export interface Reply {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the suites check what is in it
  body: any;
}

export interface Row {
  reference: string;
  vendorOrderId: string | null;
  sku: string;
  quantity: number;
  acceptedAt: string | null;
  status: string;
  code?: string;
}

export interface Item {
  sku: string;
  name: string;
  quantity: number;
  price: string;
}

export class SimulatedShop {
  readonly notices: string[] = [];
  baseUrl = '';
  private simulator: RunningSimulator | undefined;

  private constructor(
    readonly dataDir: string,
    private readonly vendor: SimulatedVendor,
  ) {}

  static async open(vendor: Partial<SimulatedVendor> = {}): Promise<SimulatedShop> {
    const dataDir = await mkdtemp(join(tmpdir(), 'simulator-'));
    const shop = new SimulatedShop(dataDir, { vendorId: VENDOR_ID, name: 'Test Shop', catalogue: items(5), ...vendor });
    await shop.start();
    return shop;
  }

  async start(): Promise<void> {
    this.simulator = await startSimulator({
      host: '127.0.0.1',
      port: 0,
      dataDir: this.dataDir,
      vendors: [this.vendor],
      onNotice: (sentence) => this.notices.push(sentence),
    });
    this.baseUrl = this.simulator.vendors[0]?.baseUrl as string;
  }

  async stop(): Promise<void> {
    await this.simulator?.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    return request(method, `${this.baseUrl}${path}`, body, headers);
  }

  order(reference: string, sku: string, quantity = 1, headers: Record<string, string> = {}): Promise<Reply> {
    return order(this.baseUrl, reference, sku, quantity, headers);
  }

  lookUp(reference: string): Promise<Reply> {
    return this.request('GET', `/orders/${reference}`);
  }

  stock(query = '', headers: Record<string, string> = {}): Promise<Reply> {
    return this.request('GET', `/stock${query}`, undefined, headers);
  }

  async quantityOf(sku: string): Promise<number | undefined> {
    const listing = (await this.stock('?limit=1000')).body.items as Item[];
    return listing.find((item) => item.sku === sku)?.quantity;
  }

  faults(faults: object): Promise<Reply> {
    return this.request('PUT', '/_faults', faults);
  }

  async fired(fault: string): Promise<number> {
    return (await this.request('GET', '/_faults')).body[fault].fired as number;
  }

  async ledger(reference?: string): Promise<Row[]> {
    return ledger(this.baseUrl, reference);
  }
}

export function items(count: number, quantity = 50): Item[] {
  return Array.from({ length: count }, (_, index) => ({
    sku: `SKU-${String(index).padStart(4, '0')}`,
    name: `Thing ${index}`,
    quantity,
    price: '9.99',
  }));
}

export function order(
  baseUrl: string,
  reference: string,
  sku: string,
  quantity = 1,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return request(
    'POST',
    `${baseUrl}/orders`,
    { reference, sku, quantity },
    { 'idempotency-key': reference, ...headers },
  );
}

export async function ledger(baseUrl: string, reference?: string): Promise<Row[]> {
  const filter = reference === undefined ? '' : `?reference=${encodeURIComponent(reference)}`;
  return (await request('GET', `${baseUrl}/_ledger${filter}`)).body.items as Row[];
}

/** Tries again at once until it holds: for what happens by the simulator's own timers. */
export async function until(holds: () => Promise<boolean>, msMax = 10_000): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`It did not come true within ${msMax} ms.`);
  }
}

async function request(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
