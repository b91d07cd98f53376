import type { Order } from '../../../src/orders/order';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { CommitProxy, type Loss } from '../../support/commit-proxy';
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

  describe.each(losses)('%s', (_when, loss) => {
    it.each(asked)('leaves %s exactly once, and everyone answered', async (_, unkeyed, keyed, orders) => {
      proxy.loseNextCommit(loss);
      const answering = Promise.allSettled([...unkeyed, ...keyed].map((place) => place()));
      if (loss === 'in between') {
        await waitFor(retryWaits, { withinMs: 5000, what: 'the second try to wait for the first' });
        proxy.deliver();
      }
      const answers = await answering;
      const placed = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.orders : []));
      const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason.code] : []));
      // Whose key the first try still has is told to come again.
      expect(refused).toEqual(loss === 'in between' && unkeyed.length === 0 ? ['IDEMPOTENCY_IN_PROGRESS'] : []);

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

  async function retryWaits(): Promise<boolean> {
    const [{ waiting }] = await app.dataSource.query(
      `SELECT count(*)::integer AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting > 0;
  }

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
