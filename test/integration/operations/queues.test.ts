import { newId } from '../../../src/database/new-id';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { QueueQueries } from '../../../src/operations/queues/queue-queries';
import type { ScriptedAnswer } from '../../support/scripted-vendor';
import { openStockRoom, type StockRoom } from '../../support/stock-room';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

const NOTHING = { ready: 0, inFlight: 0, scheduled: 0, oldestSeconds: 0, paused: false };

describe('what waits where', () => {
  let room: StockRoom;

  beforeEach(async () => {
    room = await openStockRoom();
    room.stock.lists(at(-60), { A: 100 });
    await room.app.sync('acme');
  });

  afterEach(() => room.close());

  const queues = () => room.app.context.get(QueueQueries).get();
  const acme = async () => (await queues()).vendors.find(({ vendorId }) => vendorId === 'acme');
  const query = (statement: string) => room.app.dataSource.query(statement);

  it('is nothing of a vendor without orders, and the vendor is named', async () => {
    expect(await queues()).toEqual({
      vendors: [{ vendorId: 'acme', ...NOTHING }],
      outbox: { pending: 0, oldestSeconds: 0 },
      deadLetters: 0,
    });
  });

  it('is ready wherever its message is: in the outbox, or at a broker', async () => {
    await room.place('A', 1);
    await room.place('A', 1);
    await query(`UPDATE orders SET created_at = created_at - interval '10 seconds'`);
    await query(`UPDATE outbox SET due_at = due_at - interval '9 seconds'`);
    expect(await acme()).toMatchObject({ ready: 2, inFlight: 0, scheduled: 0, oldestSeconds: 10 });
    expect((await queues()).outbox).toEqual({ pending: 2, oldestSeconds: 9 });
    await room.app.takeMessages();
    expect(await acme()).toMatchObject({ ready: 2, inFlight: 0, scheduled: 0 });
    expect((await queues()).outbox).toEqual({ pending: 0, oldestSeconds: 0 });
  });

  it('is in flight while a worker has it in hand, and scheduled while its message waits for its time', async () => {
    let answer = (_: ScriptedAnswer): void => undefined;
    room.vendor.onPurchase = () => new Promise((resolve) => (answer = resolve));
    await room.place('A', 1);
    const [message] = await room.app.takeMessages();
    const dispatched = room.app.context.get(Dispatch).dispatch(message!);
    await waitFor(() => room.vendor.purchases.length === 1, { withinMs: 5000, what: 'the purchase to be sent' });
    expect(await acme()).toMatchObject({ ready: 0, inFlight: 1, scheduled: 0 });
    answer({ status: 503, headers: { 'retry-after': '60' } });
    await dispatched;
    expect(await acme()).toMatchObject({ ready: 0, inFlight: 0, scheduled: 1, oldestSeconds: 0 });
    expect((await queues()).outbox).toEqual({ pending: 0, oldestSeconds: 0 });
  });

  it('is not what waits for an operator, or is decided', async () => {
    await room.place('A', 1);
    await room.place('A', 1);
    await room.app.takeMessages();
    await query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
    expect(await acme()).toEqual({ vendorId: 'acme', ...NOTHING });
    await query(
      `UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released',
         needs_attention = false, attention_reason = NULL`,
    );
    expect(await acme()).toEqual({ vendorId: 'acme', ...NOTHING });
  });

  it('counts its age from a replay', async () => {
    await room.place('A', 1);
    await query(`UPDATE orders SET created_at = created_at - interval '1 day', tried_from = now() - interval '5 s'`);
    expect(await acme()).toMatchObject({ ready: 1, oldestSeconds: 5 });
  });

  it('counts open dead letters only', async () => {
    const deadLetterIds = [newId(), newId(), newId()];
    for (const deadLetterId of deadLetterIds)
      await query(`INSERT INTO dead_letters (dead_letter_id, cause, payload) VALUES ('${deadLetterId}', 'why', '{}')`);
    await query(
      `UPDATE dead_letters SET status = 'dismissed', decided_at = now() WHERE dead_letter_id = '${deadLetterIds[0]}'`,
    );
    expect((await queues()).deadLetters).toBe(2);
  });
});
