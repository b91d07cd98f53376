import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  demoVendors,
  type RunningSimulator,
  type SimulatedVendor,
  startSimulator,
} from '../../../src/simulator/simulator';
import { items, order } from './simulated-shop';
import { linesOf } from './spoken';

describe('the simulator', () => {
  let dataDir: string;
  const running: RunningSimulator[] = [];

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'simulator-'));
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((simulator) => simulator.stop()));
    await rm(dataDir, { recursive: true, force: true });
  });

  async function start(vendors?: SimulatedVendor[], port = 0): Promise<RunningSimulator> {
    const simulator = await startSimulator({ host: '127.0.0.1', port, dataDir, vendors });
    running.push(simulator);
    return simulator;
  }

  it('opens three demo vendors, one in each dialect, that each sell 300 products', async () => {
    const { vendors, port } = await start();

    expect(vendors.map(({ vendorId, kind }) => [vendorId, kind])).toEqual([
      ['alpine-outdoor', 'rest'],
      ['nordic-home', 'wholesale'],
      ['copper-kitchen', 'feed'],
    ]);
    const [rest, wholesale, feed] = vendors.map(({ baseUrl }) => baseUrl);
    expect([rest, wholesale, feed].map((url) => new URL(url as string).port)).toEqual(Array(3).fill(String(port)));
    const { items: listed } = (await (await fetch(`${rest}/stock`)).json()) as { items: unknown[] };
    const { total_items: total } = (await (await fetch(`${wholesale}/inventory`)).json()) as { total_items: number };
    const lines = linesOf(await (await fetch(`${feed}/catalogue.ndjson`)).text());
    expect([listed.length, total, lines.at(-1).count]).toEqual([300, 300, 300]);
  });

  it('sells readable things at sensible prices', () => {
    const catalogue = demoVendors.flatMap((vendor) => vendor.catalogue);
    const tent = catalogue.find(({ sku }) => sku === 'TENT-2P-GREEN');

    expect(tent).toEqual({
      sku: 'TENT-2P-GREEN',
      name: 'Alpine Two-Person Tent, Forest Green',
      quantity: 167,
      price: '216.05',
    });
    expect(catalogue.every(({ quantity }) => quantity >= 20 && quantity <= 500)).toBe(true);
    expect(catalogue.every(({ price }) => /^[1-9]\d*\.\d\d$/.test(price))).toBe(true);
    expect(new Set(catalogue.map(({ name }) => name)).size).toBe(900);
    expect(catalogue.map(({ name }) => name)).toContain('Nordic One-Seat Malmö Sofa, Natural Oak');
  });

  it('keeps the books of its vendors apart', async () => {
    const shops = ['left-shop', 'right-shop'].map((vendorId) => ({ vendorId, name: vendorId, catalogue: items(1) }));
    const [left, right] = (await start(shops)).vendors;
    await order(left?.baseUrl as string, 'order-1', 'SKU-0000');

    expect((await fetch(`${left?.baseUrl}/orders/order-1`)).status).toBe(200);
    expect((await fetch(`${right?.baseUrl}/orders/order-1`)).status).toBe(404);
  });

  it('names its vendors to who asks for another', async () => {
    const { port } = await start();
    const response = await fetch(`http://127.0.0.1:${port}/nobody/stock`);

    expect(response.status).toBe(404);
    expect(((await response.json()) as { message: string }).message).toContain('nordic-home');
  });

  it('says that its port is taken, and lets go of the ledgers', async () => {
    const { port } = await start();

    await expect(start(undefined, port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('ends what is waiting when it stops, and frees its port', async () => {
    const simulator = await start();
    const baseUrl = simulator.vendors[0]?.baseUrl as string;
    await fetch(`${baseUrl}/_faults`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ latency: { ms: 600_000 }, outsideSales: { perSecond: 100 } }),
    });
    const waiting = fetch(`${baseUrl}/stock`);
    const refused = expect(waiting).rejects.toThrow('fetch failed');

    await simulator.stop();
    await simulator.stop();
    await refused;
    await start(undefined, simulator.port);
  });

  it.each<[string, Partial<SimulatedVendor>]>([
    ['its id does not match', { vendorId: 'Left Shop' }],
    ['its name is not', { name: '' }],
    ['its token is empty', { token: '' }],
    ['its dialect is none of', { dialect: 'soap' as 'rest' }],
    ['is there twice', { catalogue: [...items(1), ...items(1)] }],
    ['the price is not a decimal string', { catalogue: [{ sku: 'A', name: 'A', quantity: 1, price: '1' }] }],
    ['the quantity is not a whole number', { catalogue: [{ sku: 'A', name: 'A', quantity: -1, price: '1.00' }] }],
  ])('does not start with a vendor of which %s', async (complaint, wrong) => {
    await expect(start([{ vendorId: 'left-shop', name: 'Left', catalogue: [], ...wrong }])).rejects.toThrow(complaint);
  });
});
