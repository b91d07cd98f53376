import type { QueryRunner } from 'typeorm';
import { openStockRoom, skus, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

describe('applying a listing while something else has locked some of its products', () => {
  let room: StockRoom;
  let holder: QueryRunner;

  beforeEach(async () => {
    room = await openStockRoom();
    room.stock.lists(at(-60), skus(20, 10));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded' });
    holder = room.app.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    room.stock.lists(at(-50), skus(20, 5));
  });

  afterEach(async () => {
    if (holder.isTransactionActive) await holder.rollbackTransaction();
    await holder.release();
    await room.close();
  });

  const lock = (...locked: string[]) =>
    holder.query('SELECT FROM products WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE', [
      locked.map((sku) => `acme:${sku}`),
    ]);

  it('writes all others, says which stayed locked, and writes those once they are free', async () => {
    await lock('S19', 'S7');
    expect(await room.app.sync('acme')).toMatchObject({
      status: 'failed',
      error: 'acme:S19, acme:S7: locked by something else. All other numbers were applied.',
    });
    expect(await room.product('S18')).toMatchObject({ vendor: 5 });
    expect(await room.product('S9')).toMatchObject({ vendor: 5 });
    expect(await room.product('S7')).toMatchObject({ vendor: 10 });
    await holder.rollbackTransaction();
    expect(await room.app.sync('acme')).toMatchObject({ status: 'succeeded', changed: 2 });
    expect(await room.product('S7')).toMatchObject({ vendor: 5 });
  });

  it('keeps none of the others locked while it waits for one', async () => {
    await lock('S7');
    let isOver = false;
    const syncing = room.app.sync('acme').finally(() => (isOver = true));
    const others = `SELECT product_id FROM products WHERE product_id <> 'acme:S7' FOR NO KEY UPDATE SKIP LOCKED`;
    const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                   AND query LIKE '%FOR NO KEY UPDATE OF p%'`;
    let free = 0;
    const lookWhileItWaits = async (): Promise<boolean> => {
      if ((await room.app.dataSource.query(waits)).length > 0)
        free = Math.max(free, (await room.app.dataSource.query(others)).length);
      return isOver || free === 19;
    };
    await waitFor(lookWhileItWaits, { withinMs: 30_000, what: 'the sync to wait for one alone' });
    await syncing;
    expect(free).toBe(19);
  });

  it('takes the others off the listing, too', async () => {
    await lock('S7');
    room.stock.lists(at(-40), skus(6, 10));
    expect(await room.app.sync('acme')).toMatchObject({ status: 'failed', error: expect.stringMatching(/^acme:S7: /) });
    expect(await room.product('S8')).toMatchObject({ listed: false });
    expect(await room.product('S7')).toMatchObject({ listed: true });
  });
});
