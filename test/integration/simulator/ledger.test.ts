import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Ledger, ledgerPath } from '../../../src/simulator/ledger';
import type { LedgerEvent } from '../../../src/simulator/ledger-event';
import { startSimulator } from '../../../src/simulator/simulator';
import { fileHandlePrototype, holdFlushes } from './held-flushes';
import { items, ledger, order, type Reply, SimulatedShop, VENDOR_ID } from './simulated-shop';

const RUN_TYPESCRIPT = join(__dirname, '../../support/run-typescript.cjs');

function soldOutside(quantity: number): LedgerEvent {
  return { type: 'soldOutside', at: '2026-01-01T00:00:00.000Z', sku: 'SKU-0000', quantity };
}

describe('the ledger of a simulated vendor', () => {
  let dataDir: string;
  let path: string;
  const notices: string[] = [];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'ledger-'));
    path = ledgerPath(dataDir, VENDOR_ID);
    notices.length = 0;
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  });

  async function openLedger(): Promise<{ ledger: Ledger; events: LedgerEvent[] }> {
    const events: LedgerEvent[] = [];
    const opened = await Ledger.open(
      path,
      (event) => events.push(event),
      (notice) => notices.push(notice),
    );
    return { ledger: opened, events };
  }

  it('loses no answered order when the process is killed', async () => {
    const first = await startProcess();
    const answered = new Map<string, Reply>();
    const unknown: string[] = [];
    let number = 0;
    const buyers = Array.from({ length: 16 }, async () => {
      for (;;) {
        const reference = `order-${number++}`;
        try {
          answered.set(reference, await order(first.baseUrl, reference, 'SKU-0000'));
        } catch {
          unknown.push(reference);
          return;
        }
        if (answered.size === 400) first.process.kill('SIGKILL');
      }
    });
    await Promise.all(buyers);
    const second = await startProcess();

    const rows = await ledger(second.baseUrl);
    for (const [reference, reply] of answered) {
      const found = rows.filter((row) => row.reference === reference);
      expect(found).toEqual([expect.objectContaining({ ...reply.body, status: 'accepted' })]);
    }
    // Those without an answer were bought once or not at all.
    for (const reference of unknown) {
      expect(rows.filter((row) => row.reference === reference).length).toBeLessThanOrEqual(1);
    }
    expect(answered.size).toBeGreaterThanOrEqual(400);
  });

  it('brings stock, orders and refusals back after a stop', async () => {
    const shop = await SimulatedShop.open();
    await shop.order('order-1', 'SKU-0000', 20);
    await shop.order('order-2', 'SKU-0000', 31);
    await shop.request('PUT', '/_stock/SKU-0001', { quantity: 7, price: '1.50' });
    await shop.request('PUT', '/_stock/NEW', { quantity: 9 });
    await shop.request('DELETE', '/_stock/SKU-0002');
    const before = [await shop.ledger(), (await shop.stock()).body.items];
    await shop.stop();
    await shop.start();

    expect([await shop.ledger(), (await shop.stock()).body.items]).toEqual(before);
    expect((await shop.order('order-1', 'SKU-0000', 20)).status).toBe(200);
    expect((await shop.order('order-3', 'SKU-0000', 1)).body.vendorOrderId).toBe('TS-0000002');
    await shop.close();
  });

  it('lets no answer leave before the event behind it is on disk, a look-up included', async () => {
    const shop = await SimulatedShop.open();
    const release = await holdFlushes();
    const left: string[] = [];

    const placed = shop.order('order-1', 'SKU-0000').then(() => left.push('order'));
    await release.reached;
    const lookedUp = shop.lookUp('order-1').then(() => left.push('look-up'));
    const listed = shop.stock().then(() => left.push('listing'));
    // Faults are answered without the ledger: when this is back, the others had their time too.
    await shop.request('GET', '/_faults');
    expect(left).toEqual([]);
    release.now();
    await Promise.all([placed, lookedUp, listed]);

    expect(left).toHaveLength(3);
    await shop.close();
  });

  it('writes everything that arrives during one flush with the next', async () => {
    const { ledger: opened } = await openLedger();
    const release = await holdFlushes();
    opened.append(soldOutside(1));
    await release.reached;
    for (let quantity = 2; quantity <= 100; quantity++) opened.append(soldOutside(quantity));
    release.now();
    await opened.onDisk();

    expect(release.flushes()).toBe(2);
    await opened.close();
    expect((await openAndClose()).map((event) => 'quantity' in event && event.quantity)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
  });

  it('drops a last line that was torn in the middle of its write, says so, and goes on after it', async () => {
    const { ledger: opened } = await openLedger();
    opened.append(soldOutside(1));
    await opened.close();
    await appendFile(path, '{"type":"accepted","at":"2026-01-01T0');

    const again = await openLedger();
    again.ledger.append(soldOutside(2));
    await again.ledger.close();

    expect(again.events).toEqual([soldOutside(1)]);
    expect(notices).toEqual([expect.stringContaining('dropped 37 bytes')]);
    expect(await openAndClose()).toEqual([soldOutside(1), soldOutside(2)]);
  });

  it('reads lines that are longer than one chunk of the file', async () => {
    const lines = Array.from({ length: 2_000 }, (_, index) => soldOutside(index));
    await writeFile(path, lines.map((event) => `${JSON.stringify(event)}\n`).join(''));

    expect(await openAndClose()).toEqual(lines);
  });

  it.each([
    ['is no JSON', 'rubbish'],
    ['is an event of another kind', '{"type":"stolen","at":"2026-01-01T00:00:00.000Z"}'],
  ])('does not start when a line that was finished %s, and names it', async (_, line) => {
    await writeFile(path, `${JSON.stringify(soldOutside(1))}\n${line}\n${JSON.stringify(soldOutside(2))}\n`);

    await expect(
      startSimulator({
        host: '127.0.0.1',
        port: 0,
        dataDir,
        vendors: [{ vendorId: VENDOR_ID, name: 'Test Shop', catalogue: items(1) }],
      }),
    ).rejects.toThrow(`${path}, line 2 is no ledger entry`);
  });

  it('shows a purchase twice if it stands twice in the books', async () => {
    const accepted = {
      type: 'accepted',
      at: '2026-01-01T00:00:00.000Z',
      reference: 'order-1',
      sku: 'SKU-0000',
      quantity: 1,
    };
    const shop = await SimulatedShop.open();
    await shop.stop();
    await writeFile(
      ledgerPath(shop.dataDir, VENDOR_ID),
      ['TS-1', 'TS-2'].map((vendorOrderId) => `${JSON.stringify({ ...accepted, vendorOrderId })}\n`).join(''),
    );
    await shop.start();

    expect((await shop.ledger()).map(({ vendorOrderId }) => vendorOrderId)).toEqual(['TS-1', 'TS-2']);
    expect(await shop.ledger('order-1')).toHaveLength(2);
    expect(await shop.quantityOf('SKU-0000')).toBe(48);
    await shop.close();
  });

  it('sells nothing more once another program has written to the file', async () => {
    const shop = await SimulatedShop.open();
    await appendFile(ledgerPath(shop.dataDir, VENDOR_ID), `${JSON.stringify(soldOutside(1))}\n`);

    expect((await shop.order('order-1', 'SKU-0000')).status).toBe(500);
    expect((await shop.lookUp('order-1')).status).toBe(500);
    expect(shop.notices[0]).toContain('another program writes to this file');
    expect(await readFile(ledgerPath(shop.dataDir, VENDOR_ID), 'utf8')).not.toContain('order-1');
    await shop.close();
  });

  it('answers no order whose flush failed, nor any after it', async () => {
    const shop = await SimulatedShop.open();
    jest.spyOn(await fileHandlePrototype(), 'datasync').mockRejectedValueOnce(new Error('the disk is full'));

    expect((await shop.order('order-1', 'SKU-0000')).status).toBe(500);
    expect((await shop.order('order-2', 'SKU-0000')).status).toBe(500);
    expect(shop.notices[0]).toContain('the disk is full');
    await shop.close();
  });

  async function openAndClose(): Promise<LedgerEvent[]> {
    const { ledger: opened, events } = await openLedger();
    await opened.close();
    return events;
  }

  async function startProcess(): Promise<{ process: ChildProcess; baseUrl: string }> {
    const child = spawn(process.execPath, [RUN_TYPESCRIPT, join(__dirname, 'simulator-process.ts'), dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    for await (const baseUrl of createInterface(child.stdout)) return { process: child, baseUrl };
    throw new Error('The simulator ended before it had started.');
  }
});
