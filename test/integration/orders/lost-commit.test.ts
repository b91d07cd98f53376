import type { Order } from '../../../src/orders/order';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { CommitProxy, type Loss } from '../../support/commit-proxy';
import { watchForSkips } from '../../support/lock-skips';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

type Placing = () => Promise<{ orders: Order[]; replayed: boolean }>;

/** The connection is really cut, at the COMMIT on its way: what became of it is not known to the app. */
describe('a connection that is lost at the COMMIT', () => {
  let app: TestApp;
  let proxy: CommitProxy;
  let vendor: ScriptedVendor;
  let placement: Placement;

  beforeEach(async () => {
    app = await createApp({}, async (url) => (proxy = await CommitProxy.listen(url)).url);
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 100, B: 100 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
    placement = app.context.get(Placement);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await vendor.close();
    await app.close();
    await proxy.close();
  });

  const order =
    (idempotencyKey?: string): Placing =>
    async () => {
      const { order: placed, replayed } = await placement.place(
        { productId: 'acme:A', quantity: 1 },
        { client: 'shop', idempotencyKey },
      );
      return { orders: [placed], replayed };
    };
  const checkout =
    (idempotencyKey?: string): Placing =>
    () =>
      placement.checkOut(
        ['acme:A', 'acme:B'].map((productId) => ({ productId, quantity: 1 })),
        { client: 'shop', idempotencyKey },
      );

  const losses: [string, Loss][] = [
    ['before it reaches the server', 'before'],
    ['after the server has carried it out', 'after'],
    ['while the server still has it in hand', 'in between'],
  ];
  /** What is placed together, without and with keys, and how many orders that makes. */
  const asked: [string, Placing[], keyed: Placing[], orders: number][] = [
    ['an order', [order()], [], 1],
    ['an order with a key', [], [order('key')], 1],
    ['a checkout', [checkout()], [], 2],
    ['a checkout with a key', [], [checkout('key')], 2],
    ['all of them in one batch', [order(), checkout(), order()], [order('key'), checkout('key'), order('other')], 8],
  ];

  /** Whatever does not fit makes the batch decide order by order, under locks that it holds until its COMMIT. */
  const misfit: Placing = () =>
    placement.checkOut(
      ['acme:A', 'acme:X'].map((productId) => ({ productId, quantity: 1 })),
      { client: 'shop' },
    );
  const companies: [string, Placing[]][] = [
    ['and all fits', []],
    ['and something does not fit', [misfit]],
  ];

  describe.each(losses)('%s', (_when, loss) => {
    describe.each(companies)('%s,', (_what, others) => {
      it.each(asked)('leaves %s exactly once, and everyone answered', async (_, unkeyed, keyed, orders) => {
        const secondTryIsAside = watchForSkips(app.context);
        proxy.loseNextCommit(loss, others.length === 0 ? 'statement' : 'COMMIT');
        const refusing = Promise.allSettled(others.map((place) => place()));
        const answering = Promise.allSettled([...unkeyed, ...keyed].map((place) => place()));
        const locked = loss === 'in between' && others.length > 0;
        if (loss === 'in between') {
          // A statement that is a transaction by itself has locked nothing yet: the second try passes it.
          if (locked && unkeyed.length > 0) await secondTryIsAside();
          else await answering;
          await proxy.deliver();
        }
        const answers = await answering;
        await refusing;
        const placed = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.orders : []));
        const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason.code] : []));
        // Whose key the first try still has is told to come again.
        expect(refused).toEqual(locked ? keyed.map(() => 'IDEMPOTENCY_IN_PROGRESS') : []);

        const repeated = await Promise.all(keyed.map((place) => place()));
        expect(repeated.map(({ replayed }) => replayed)).toEqual(keyed.map(() => true));
        const told = [...placed, ...repeated.flatMap((again) => again.orders)].map(({ orderId }) => orderId);
        const orderIds = [...new Set(told)].toSorted();
        expect(orderIds).toHaveLength(orders);
        expect(await written()).toEqual({
          orders: orderIds,
          events: orderIds,
          messages: orderIds,
          keys: keyed.length,
          reserved: orders,
        });
      });
    });
  });

  it('never says that what its own lost try has taken is sold out', async () => {
    await app.dataSource.query(`
      CREATE TABLE gate ();
      CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP;
        RETURN NEW;
      END $$;
      CREATE TRIGGER wait_at_gate BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION wait_at_gate()`);
    const secondTryIsAside = watchForSkips(app.context);
    proxy.loseNextCommit('in the statement', 'statement');
    const answering = placement.place({ productId: 'acme:A', quantity: 100 }, { client: 'shop' });
    await secondTryIsAside();
    await app.dataSource.query('INSERT INTO gate DEFAULT VALUES');
    const { order: placed } = await answering;
    expect(await written()).toMatchObject({ orders: [placed.orderId], reserved: 100 });
  });

  it('says that it does not know, where a lost try may still take what it refuses', async () => {
    proxy.loseNextCommit('in between', 'statement');
    const answering = placement.place({ productId: 'acme:A', quantity: 60 }, { client: 'shop' });
    await waitFor(() => proxy.lost, { withinMs: 5000, what: 'the loss' });
    await app.dataSource.query(`UPDATE products SET reserved_quantity = 50 WHERE product_id = 'acme:A'`);
    await expect(answering).rejects.not.toMatchObject({ code: 'INSUFFICIENT_STOCK' });
    await app.dataSource.query(`UPDATE products SET reserved_quantity = 0 WHERE product_id = 'acme:A'`);
    await proxy.deliver();
    expect(await written()).toMatchObject({ orders: [expect.any(String)], reserved: 60 });
  });

  async function written(): Promise<unknown> {
    const [found] = await app.dataSource.query(
      `SELECT ARRAY(SELECT order_id FROM orders ORDER BY 1) AS orders,
              ARRAY(SELECT order_id FROM order_events ORDER BY 1) AS events,
              ARRAY(SELECT subject FROM outbox ORDER BY 1) AS messages,
              (SELECT count(*)::integer FROM idempotency_keys) AS keys,
              (SELECT sum(reserved_quantity)::integer FROM products) AS reserved`,
    );
    return found;
  }
});
