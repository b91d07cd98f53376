import { ApplyRepository } from '../../../src/stock/sync/apply.repository';
import { HOLDS_MAX } from '../../../src/stock/sync/settling';
import { openStockRoom, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const HOLDS = 3000;

describe('settling many holds of one product, a bounded number in each transaction', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    room.stock.lists(at(-60), { A: 10_000 });
    await room.app.sync('acme');
  });

  afterEach(() => room.close());

  const sql = (statement: string) => room.app.dataSource.query(statement);

  async function lookUpsByKey(): Promise<number> {
    const [{ scans }] = await sql(
      `SELECT idx_scan::integer AS scans FROM pg_stat_user_indexes WHERE indexrelname = 'orders_pkey'`,
    );
    return scans;
  }

  /** So many orders that the vendor has accepted, and that the next listing contains. */
  async function acknowledged(): Promise<void> {
    await sql(
      `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, client,
                           available_quantity, status, hold_state, vendor_order_id, accepted_at, acknowledged_at)
       SELECT gen_random_uuid(), 'acme', 'acme:A', 1, 1, 1, 'USD', 'test', 1, 'completed', 'settled', n, now(), now()
       FROM generate_series(1, ${HOLDS}) n`,
    );
    await sql('ANALYZE orders');
    await sql(`UPDATE orders SET hold_state = 'acknowledged', accepted_at = now() - interval '50 seconds'`);
    await sql(`UPDATE products SET reserved_quantity = ${HOLDS}`);
    room.stock.lists(at(-10), { A: 7000 });
  }

  it('goes on where a run broke off, and until then promises too little, never too much', async () => {
    await acknowledged();
    jest.spyOn(room.app.context.get(ApplyRepository), 'settle').mockRejectedValueOnce(new Error('killed'));
    expect((await room.app.sync('acme')).status).toBe('failed');
    expect(await room.product('A')).toMatchObject({ vendor: 7000, reserved: HOLDS - HOLDS_MAX });
    room.stock.lists(at(-5), { A: 7000 });
    await room.app.sync('acme');
    expect(await room.product('A')).toMatchObject({ vendor: 7000, reserved: 0, stock: 7000 });
  });

  it('looks each up by its key, though the statistics know of no acknowledged order', async () => {
    await acknowledged();
    const before = await lookUpsByKey();
    await room.app.sync('acme');
    expect(await room.product('A')).toMatchObject({ vendor: 7000, reserved: 0, stock: 7000 });
    await waitFor(async () => (await lookUpsByKey()) >= before + HOLDS, {
      withinMs: 15_000,
      what: 'the server to count a look-up by key for each hold',
    });
  });
});
