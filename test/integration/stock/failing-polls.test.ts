import type { INestApplicationContext } from '@nestjs/common';
import { StockSync } from '../../../src/stock/sync/stock-sync';
import type { SyncLease } from '../../../src/stock/sync/sync-lease.repository';
import { SyncRunQueries } from '../../../src/stock/sync/sync-run-queries';
import { VendorCallFailed } from '../../../src/vendors/vendor-adapter';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { openStockRoom, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';

/** As many as open the breaker. */
const POLLS = 3;

describe('a vendor whose polls fail', () => {
  let room: StockRoom;
  let second: INestApplicationContext;

  beforeEach(async () => {
    room = await openStockRoom();
    second = await room.app.another();
  });

  afterEach(() => room.close());

  const breakers = async () => (await second.get(VendorRegistry).get('acme')).breakers;
  const failing = () => room.stock.answers(() => Promise.reject(new VendorCallFailed('stock: answered 500')));
  const well = () => room.stock.lists(at(-60), { A: 5 });

  /** The vendor's interval has passed. */
  async function due(process: INestApplicationContext = second): Promise<SyncLease | undefined> {
    await room.app.dataSource.query('UPDATE vendors SET sync_due_at = now(), sync_leased_until = NULL');
    return process.get(StockSync).takeDue();
  }

  async function fails(polls: number): Promise<void> {
    failing();
    for (let poll = 0; poll < polls; poll++) await room.app.sync('acme');
  }

  const pauseEnds = () => room.app.dataSource.query(`UPDATE vendor_breakers SET open_until = now() - interval '1 ms'`);

  it('is not polled by any process for a while, and its orders are dispatched all the same', async () => {
    await fails(POLLS - 1);
    expect(await breakers()).toEqual({ orders: 'closed', stock: 'closed' });
    await fails(1);
    expect(await breakers()).toEqual({ orders: 'closed', stock: 'open' });
    expect([await due(room.app.context), await due(second)]).toEqual([undefined, undefined]);
  });

  it('is polled once its pause is over, by one process, and as before when that succeeds', async () => {
    await fails(POLLS);
    await pauseEnds();
    const lease = (await due(room.app.context))!;
    expect([await breakers(), await second.get(StockSync).takeDue()]).toEqual([
      { orders: 'closed', stock: 'halfOpen' },
      undefined,
    ]);
    well();
    await room.app.context.get(StockSync).run(lease, new AbortController().signal);
    expect(await breakers()).toMatchObject({ stock: 'closed' });
    expect(await due()).toBeDefined();
  });

  it('is left alone for longer when that fails too', async () => {
    await fails(POLLS);
    await pauseEnds();
    const lease = (await due(room.app.context))!;
    await room.app.context.get(StockSync).run(lease, new AbortController().signal);
    expect(await breakers()).toMatchObject({ stock: 'open' });
    const [{ ms }] = await room.app.dataSource.query(
      'SELECT extract(epoch FROM open_until - now()) * 1000 AS ms FROM vendor_breakers',
    );
    expect(Number(ms)).toBeGreaterThan(5000);
  });

  it('is polled when an operator asks for it, and well again if that succeeds', async () => {
    await fails(POLLS);
    await second.get(SyncRunQueries).request('acme');
    const lease = (await room.app.context.get(StockSync).takeDue())!;
    well();
    await room.app.context.get(StockSync).run(lease, new AbortController().signal);
    expect(await breakers()).toMatchObject({ stock: 'closed' });
  });

  it.each([
    ['its rate limit answers', new VendorCallFailed('stock: answered 429', { health: 'unsaid' })],
    ['the database does not let us', new Error('no database')],
  ])('is polled on where %s', async (_, error) => {
    room.stock.answers(() => Promise.reject(error));
    for (let poll = 0; poll < 2 * POLLS; poll++) await room.app.sync('acme');
    expect(await breakers()).toMatchObject({ stock: 'closed' });
  });

  it('is judged by what its adapter was answered', async () => {
    jest.restoreAllMocks();
    for (const status of [404, 401, 403, 405, 501]) {
      await room.app.dataSource.query('DELETE FROM vendor_breakers');
      room.vendor.onStock = () => ({ status });
      for (let poll = 0; poll < POLLS; poll++) await room.app.sync('acme');
      expect([status, await breakers()]).toEqual([status, expect.objectContaining({ stock: 'open' })]);
    }
  });
});
