import { rowOf } from '../../support/scripted-stock';
import type { ScriptedAnswer } from '../../support/scripted-vendor';
import { openStockRoom, skus, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const MARKS = { position: '100', etag: '"first"' };

describe('a vendor that lists only what changed', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    await mayBeAskedForDeltas(3_600_000);
    room.stock.lists(at(-60), { A: 10, B: 10 }, { marks: MARKS });
    await room.app.sync('acme');
  });

  afterEach(() => room.close());

  const mayBeAskedForDeltas = (fullSyncIntervalMs: number | null) =>
    room.app.register({ vendorId: 'acme', baseUrl: room.vendor.baseUrl, fullSyncIntervalMs });
  const delta = (seconds: number, quantities: Record<string, number>, position = '101') =>
    room.stock.lists(at(seconds), quantities, { kind: 'delta', marks: { position, etag: null } });

  it('is asked for all of it first, and then for what comes after the position it gave', async () => {
    expect(room.stock.lastAsked).toEqual({ kind: 'full', marks: { position: null, etag: null } });
    delta(-50, { A: 9 });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', kind: 'delta', seen: 1, changed: 1 });
    expect(room.stock.lastAsked).toEqual({ kind: 'delta', marks: { position: '100', etag: null } });
    await room.app.sync('acme');
    expect(room.stock.lastAsked.marks.position).toBe('101');
    expect(await room.product('A')).toMatchObject({ vendor: 9 });
    expect(await room.product('B')).toMatchObject({ vendor: 10, listed: true });
  });

  it('is asked for all of it again when that is due, one interval ahead', async () => {
    delta(-50, { A: 9 });
    await room.app.sync('acme');
    await room.app.dataSource.query(`UPDATE vendors SET full_synced_at = now() - interval '58 minutes'`);
    await room.app.sync('acme');
    expect(room.stock.lastAsked.kind).toBe('delta');
    await room.app.dataSource.query(`UPDATE vendors SET full_synced_at = now() - interval '59 minutes 30 seconds'`);
    await room.app.sync('acme');
    expect(room.stock.lastAsked.kind).toBe('full');
  });

  it('is asked for all of it each time, unless an operator said how often is enough', async () => {
    await mayBeAskedForDeltas(null);
    await room.app.sync('acme');
    expect(room.stock.lastAsked.kind).toBe('full');
  });

  it('settles only the products it names', async () => {
    const [a, b] = [await room.place('A', 1), await room.place('B', 1)];
    room.vendor.accepts(at(-50));
    await room.dispatchAll();
    delta(-40, { A: 9 });
    await room.app.sync('acme');
    expect([await room.holdOf(a), await room.holdOf(b)]).toEqual(['settled', 'acknowledged']);
    expect(await room.product('A')).toMatchObject({ vendor: 9, reserved: 0, stock: 9 });
    expect(await room.product('B')).toMatchObject({ vendor: 10, reserved: 1, stock: 9 });
    await room.app.dataSource.query('UPDATE vendors SET full_synced_at = NULL');
    room.stock.lists(at(-30), { A: 9, B: 9 });
    await room.app.sync('acme');
    expect(await room.holdOf(b)).toBe('settled');
  });

  it('settles what was accepted while the delta that contains it was on its way', async () => {
    let answer = (_: ScriptedAnswer): void => undefined;
    room.vendor.onPurchase = () => new Promise((resolve) => (answer = resolve));
    const orderId = await room.place('A', 1);
    const dispatching = room.dispatchAll();
    await waitFor(() => room.vendor.purchases.length === 1, { withinMs: 5000, what: 'the purchase to be sent' });
    const before = async () => {
      answer({ status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-50) } });
      await dispatching;
    };
    room.stock.lists(at(-40), { A: 9 }, { kind: 'delta', marks: { position: '101', etag: null }, before });
    await room.app.sync('acme');
    expect(await room.holdOf(orderId)).toBe('settled');
    expect(await room.product('A')).toMatchObject({ vendor: 9, reserved: 0, stock: 9 });
  });

  it('is settled by the complete listing of a time that a delta had first', async () => {
    const orderId = await room.place('A', 1);
    room.vendor.accepts(at(-50));
    await room.dispatchAll();
    delta(-40, { B: 9 });
    await room.app.sync('acme');
    expect(await room.holdOf(orderId)).toBe('acknowledged');
    await room.app.dataSource.query('UPDATE vendors SET full_synced_at = NULL');
    room.stock.lists(at(-40), { A: 9, B: 9 });
    await room.app.sync('acme');
    expect(await room.holdOf(orderId)).toBe('settled');
  });

  it('settles a late acceptance by the rows it wrote, and by no other', async () => {
    const orders = { a: await room.place('A', 1), b: await room.place('B', 1) };
    await room.dispatchAll();
    delta(-40, { A: 9 });
    await room.app.sync('acme');
    room.vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-50) } });
    await room.dispatchAll();
    expect([await room.holdOf(orders.a), await room.holdOf(orders.b)]).toEqual(['settled', 'acknowledged']);
    expect(await room.product('B')).toMatchObject({ vendor: 10, reserved: 1, stock: 9 });
  });

  it('does not settle a late acceptance by a row it named and did not write', async () => {
    const orderId = await room.place('A', 1);
    await room.dispatchAll();
    delta(-40, { A: 10 });
    expect(await room.app.sync('acme')).toMatchObject({ changed: 0, unchanged: 1 });
    room.vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-50) } });
    await room.dispatchAll();
    expect(await room.holdOf(orderId)).toBe('acknowledged');
  });

  it('is asked for all of it again after a row that cannot be believed: no later delta names it', async () => {
    const row = { ...rowOf('A', 0), price: '19.999' };
    const marks = { position: '101', etag: null };
    room.stock.listsPages(at(-40), [[row]], { kind: 'delta', marks });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', rejected: 1 });
    room.stock.listsPages(at(-30), [[row, rowOf('B', 10)]], { marks });
    expect(await room.app.sync('acme')).toMatchObject({ kind: 'full', rejected: 1 });
    expect(room.stock.lastAsked).toEqual({ kind: 'full', marks: { position: null, etag: null } });
  });

  it('removes nothing, however little it names', async () => {
    room.stock.lists(at(-50), skus(100, 1));
    await room.app.dataSource.query('UPDATE vendors SET full_synced_at = NULL');
    await room.app.sync('acme');
    delta(-40, {});
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', missing: 0 });
    expect(await room.product('S99')).toMatchObject({ listed: true });
  });

  it.each([
    ['a delta older than the complete listing', 'full'],
    ['a complete listing older than the delta', 'delta'],
  ])('is not believed: %s', async (_, newer) => {
    if (newer === 'full') {
      room.stock.lists(at(-30), { A: 8, B: 8 }, { marks: MARKS });
      await room.app.dataSource.query('UPDATE vendors SET full_synced_at = NULL');
    } else delta(-30, { A: 8 });
    await room.app.sync('acme');
    if (newer === 'full') delta(-40, { A: 10, B: 10 });
    else room.stock.lists(at(-40), { A: 10, B: 10 });
    expect(await room.app.sync('acme')).toMatchObject({ status: 'held', heldFor: 'CLOCK' });
    expect(await room.product('A')).toMatchObject({ vendor: 8 });
  });

  it.each([
    ['fails', () => room.stock.answers(() => Promise.reject(new Error('no'))), 'failed'],
    ['is held for its time', () => delta(-70, { A: 1 }, '666'), 'held'],
    ['loses its lease before it is complete', () => stolen(), 'failed'],
  ])('goes on from the same position after a run that %s', async (_, arrange, status) => {
    arrange();
    expect(await room.app.sync('acme')).toMatchObject({ status });
    expect(await room.acme()).toMatchObject({ sync_position: '100', sync_etag: '"first"' });
  });

  function stolen(): void {
    const steal = () => room.app.dataSource.query('UPDATE vendors SET sync_token = sync_token + 1');
    const marks = { position: '666', etag: null };
    room.stock.lists(at(-50), { A: 1 }, { kind: 'delta', marks, before: steal });
  }

  it('is not told another address’s position', async () => {
    await room.app.register({ vendorId: 'acme', baseUrl: `${room.vendor.baseUrl}/moved` });
    await room.app.sync('acme');
    expect(room.stock.lastAsked).toEqual({ kind: 'full', marks: { position: null, etag: null } });
  });
});
