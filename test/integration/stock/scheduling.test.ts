import { StockSync } from '../../../src/stock/sync/stock-sync';
import { SyncRunQueries } from '../../../src/stock/sync/sync-run-queries';
import { SyncScheduler } from '../../../src/stock/sync/sync-scheduler';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { openStockRoom, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

describe('many vendors', () => {
  const INTERVAL_MS = 300;
  /** Of each healthy vendor; meanwhile the others have had their turns too. */
  const POLLS = 6;
  let app: TestApp;
  let vendors: ScriptedVendor[];
  let hang: Promise<void>;
  let letGo: () => void;
  /** By vendor. */
  const polls = new Map<string, number>();

  beforeEach(async () => {
    app = await createApp();
    vendors = [];
    polls.clear();
    hang = new Promise((resolve) => (letGo = resolve));
  });

  afterEach(async () => {
    letGo();
    await app.context.get(SyncScheduler).stop();
    await Promise.all(vendors.map((vendor) => vendor.close()));
    await app.close();
  });

  async function open(vendorId: string, answer: () => Awaited<ReturnType<NonNullable<ScriptedVendor['onStock']>>>) {
    const vendor = await ScriptedVendor.listen();
    vendors.push(vendor);
    vendor.onStock = () => {
      polls.set(vendorId, (polls.get(vendorId) ?? 0) + 1);
      return answer();
    };
    await app.register({ vendorId, baseUrl: vendor.baseUrl, syncIntervalMs: INTERVAL_MS });
    return vendor;
  }

  const well = () => ({ status: 200, body: { asOf: new Date().toISOString(), items: [], nextCursor: null } });
  const healthy = (count: number) => Array.from({ length: count }, (_, index) => `well-${index}`);
  const polledOften = (vendorIds: string[]) =>
    waitFor(() => vendorIds.every((vendorId) => (polls.get(vendorId) ?? 0) >= POLLS), {
      withinMs: 10_000,
      what: () => `${POLLS} polls of each; there were ${JSON.stringify([...polls])}`,
    });

  it('keep their intervals beside one that hangs, one that talks rubbish and one that is down', async () => {
    for (const vendorId of healthy(7)) await open(vendorId, well);
    await open('hanging', () => ({ hang }));
    await open('rubbish', () => ({ status: 200, body: '<html>' }));
    const down = await open('down', well);
    await down.close();
    vendors.pop();
    app.context.get(SyncScheduler).start();
    await polledOften(healthy(7));
    // The machine may be slow: what counts is that all this went on while the first call still hung.
    expect(polls.get('hanging')).toBe(1);
  });

  it('find room however many others hang, once these are known for it', async () => {
    const scheduler = app.context.get(SyncScheduler);
    Object.assign(scheduler.limits, { runs: 4, suspectRuns: 2 });
    for (const vendorId of healthy(2)) await open(vendorId, well);
    for (let index = 0; index < 8; index++) await open(`hanging-${index}`, () => ({ hang }));
    await app.dataSource.query(`UPDATE vendors SET sync_failures = 1 WHERE vendor_id LIKE 'hanging%'`);
    scheduler.start();
    await polledOften(healthy(2));
    expect([...polls].filter(([vendorId]) => vendorId.startsWith('hanging'))).toHaveLength(2);
  });

  it('find room however many others answer slowly and well, once these are known for it', async () => {
    const scheduler = app.context.get(SyncScheduler);
    Object.assign(scheduler.limits, { runs: 4, slowRuns: 2 });
    for (const vendorId of healthy(2)) await open(vendorId, well);
    for (let index = 0; index < 8; index++) await open(`slow-${index}`, () => ({ hang }));
    await app.dataSource.query(`UPDATE vendors SET sync_slow = true WHERE vendor_id LIKE 'slow%'`);
    scheduler.start();
    await polledOften(healthy(2));
    expect([...polls].filter(([vendorId]) => vendorId.startsWith('slow'))).toHaveLength(2);
  });

  it.each([0, 600_000])('are known for it by how long their last poll took (slow from %i ms on)', async (slowMs) => {
    const scheduler = app.context.get(SyncScheduler);
    Object.assign(scheduler.limits, { slowMs });
    await open('acme', well);
    await app.dataSource.query(`UPDATE vendors SET sync_slow = $1`, [slowMs !== 0]);
    scheduler.start();
    const slow = async (): Promise<boolean> =>
      (await app.dataSource.query('SELECT sync_slow FROM vendors'))[0].sync_slow;
    await waitFor(async () => (await slow()) === (slowMs === 0), { withinMs: 10_000, what: 'the poll to be judged' });
  });
});

describe('a run', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    room.stock.lists(at(-60), { A: 5 }, { marks: { position: '1', etag: '"1"' } });
    await room.app.sync('acme');
  });

  afterEach(() => room.close());

  const sync = () => room.app.context.get(StockSync);
  const queries = () => room.app.context.get(SyncRunQueries);
  const runs = async () => (await queries().list('acme', { limit: 50 })).map(({ run }) => run);

  it.each([
    ['does not answer', () => room.stock.answers(() => new Promise(() => undefined))],
    [
      'stops in the midst of its pages',
      () => room.stock.lists(at(-50), { A: 9 }, { before: () => new Promise(() => undefined) }),
    ],
  ])('is ended at its deadline when the vendor %s', async (_, arrange) => {
    arrange();
    await room.app.dataSource.query('UPDATE vendors SET sync_due_at = now(), sync_leased_until = NULL');
    const lease = (await sync().takeDue())!;
    const result = await sync().run(lease, new AbortController().signal, 50);
    expect(result).toMatchObject({ status: 'failed', error: expect.stringMatching(/too long/) });
    expect(await room.product('A')).toMatchObject({ vendor: 5 });
  });

  it('that was stopped before it began asks nothing of its vendor', async () => {
    await room.app.dataSource.query('UPDATE vendors SET sync_due_at = now()');
    const askedBefore = room.stock.asked.length;
    const result = await sync().run((await sync().takeDue())!, AbortSignal.abort());
    expect(result).toMatchObject({ status: 'failed', error: expect.stringMatching(/worker was stopped/) });
    expect(room.stock.asked).toHaveLength(askedBefore);
  });

  it('that fails makes its vendor suspect until one does not', async () => {
    room.stock.answers(() => Promise.reject(new Error('no')));
    await room.app.sync('acme');
    await room.app.dataSource.query('UPDATE vendors SET sync_due_at = now()');
    expect(await sync().takeDue({ suspects: false })).toBeUndefined();
    room.stock.lists(at(-50), { A: 5 });
    await room.app.sync('acme');
    await room.app.dataSource.query('UPDATE vendors SET sync_due_at = now()');
    expect(await sync().takeDue({ suspects: false })).toMatchObject({ suspect: false });
  });

  it('is asked for once while it waits, taken at once, and told everything', async () => {
    const syncRunId = await queries().request('acme');
    expect(await queries().request('acme')).toBe(syncRunId);
    expect((await runs())[0]).toMatchObject({ syncRunId, status: 'pending', trigger: 'manual', startedAt: null });
    const lease = (await sync().takeDue())!;
    await sync().run(lease, new AbortController().signal);
    await sync().release(lease, 3_600_000);
    expect(room.stock.lastAsked).toEqual({ kind: 'full', marks: { position: '1', etag: null } });
    expect((await runs())[0]).toMatchObject({ syncRunId, status: 'succeeded', trigger: 'manual', seen: 1 });
    expect(await sync().takeDue()).toBeUndefined();
    expect(await queries().request('acme')).not.toBe(syncRunId);
  });

  it('is not asked for of a vendor that is disabled, or nobody', async () => {
    await room.app.register({ vendorId: 'acme', baseUrl: room.vendor.baseUrl, enabled: false });
    await expect(queries().request('acme')).rejects.toMatchObject({ code: 'VENDOR_DISABLED' });
    await expect(queries().request('nobody')).rejects.toMatchObject({ code: 'VENDOR_NOT_FOUND' });
  });

  it('that a dead worker left is closed, and the one that was asked for runs', async () => {
    await room.app.dataSource.query(
      `INSERT INTO stock_sync_runs (sync_run_id, vendor_id, trigger, kind, status)
       VALUES ('01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d', 'acme', 'schedule', 'full', 'running')`,
    );
    await room.app.sync('acme');
    const left = await queries().get('acme', '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d');
    expect(left).toMatchObject({ status: 'failed', error: expect.stringMatching(/worker/) });
  });

  it('is listed newest first, page by page', async () => {
    for (let count = 0; count < 4; count++) await room.app.sync('acme');
    const all = await runs();
    expect(all).toHaveLength(5);
    const pages = [];
    let after: readonly [string, string] | undefined;
    for (let page = 0; page < 3; page++) {
      const found = await queries().list('acme', { limit: 2, after });
      pages.push(...found.map(({ run }) => run.syncRunId));
      after = found.at(-1)!.sortKey as [string, string];
    }
    expect(pages).toEqual(all.map(({ syncRunId }) => syncRunId));
    expect(all.map(({ startedAt }) => startedAt)).toEqual(
      all
        .map(({ startedAt }) => startedAt)
        .toSorted()
        .toReversed(),
    );
  });
});
