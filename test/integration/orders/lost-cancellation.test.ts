import { DataSource } from 'typeorm';
import { Cancellation } from '../../../src/orders/fulfilment/cancellation';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { CommitProxy, type Loss } from '../../support/commit-proxy';
import { lockWaits } from '../../support/lock-waits';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';
import { waitFor } from '../../support/wait';

/** The connection is really cut, at the COMMIT on its way: what became of it is not known to the app. */
describe('a cancellation whose connection is lost at the COMMIT', () => {
  let app: TestApp;
  let proxy: CommitProxy;
  let vendor: ScriptedVendor;
  let orderId: string;

  beforeEach(async () => {
    app = await createApp(
      { VENDOR_TIMEOUT_MS: '300', DELIVERY_ATTEMPTS_MAX: '1' },
      async (url) => (proxy = await CommitProxy.listen(url)).url,
    );
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: 10 });
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
    const placing = app.context.get(Placement).place({ productId: 'acme:A', quantity: 2 }, { client: 'test' });
    orderId = (await placing).order.orderId;
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
    await proxy.close();
  });

  /** Sends the order to a vendor that gives no answer, and again as often. */
  async function sendInVain(times: number): Promise<void> {
    vendor.onPurchase = () => 'drop';
    for (let time = 0; time < times; time++) {
      const [message] = await app.takeMessages();
      await app.context.get(Dispatch).dispatch(message!);
      const longAgo = `UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`;
      await app.dataSource.query(longAgo);
    }
  }

  async function cancelAtLoss(loss: Loss) {
    proxy.loseNextCommit(loss, 'COMMIT');
    const cancelling = app.context.get(Cancellation).cancel(orderId);
    if (loss === 'in between') {
      const waits = async () => (await lockWaits(app.dataSource)) === 1;
      await waitFor(waits, { withinMs: 5000, what: 'the second try to wait behind the first' });
      await proxy.deliver();
    }
    const cancelled = await cancelling;
    expect(proxy.lost).toBe(true);
    return cancelled;
  }

  async function written(): Promise<unknown> {
    const events = await app.dataSource.query<{ type: string }[]>('SELECT type FROM order_events ORDER BY event_id');
    const [product] = await app.dataSource.query(`SELECT reserved_quantity FROM products WHERE product_id = 'acme:A'`);
    const [{ messages }] = await app.dataSource.query('SELECT count(*)::integer AS messages FROM outbox');
    return { events: events.map(({ type }) => type), reserved: product.reserved_quantity, messages };
  }

  const losses: [string, Loss][] = [
    ['before it reaches the server', 'before'],
    ['after the server has carried it out', 'after'],
    ['while the server still has it in hand', 'in between'],
  ];

  describe.each(losses)('%s', (_when, loss) => {
    it('is decided once where nothing was sent, and answered', async () => {
      expect(await cancelAtLoss(loss)).toMatchObject({
        decided: true,
        order: { orderId, status: 'failed', failureReason: 'CANCELLED' },
      });
      expect(await written()).toEqual({ events: ['placed', 'cancelled'], reserved: 0, messages: 1 });
    });

    it('is noted once where the order was sent, and answered', async () => {
      await sendInVain(1);
      expect(await cancelAtLoss(loss)).toMatchObject({
        decided: false,
        order: { orderId, status: 'pending', cancelRequestedAt: expect.any(String) },
      });
      expect(await written()).toEqual({
        events: ['placed', 'sent', 'unknown', 'cancelRequested'],
        reserved: 2,
        messages: 1,
      });
    });

    it('sends one message where the order waited for an operator', async () => {
      await sendInVain(2);
      expect(await cancelAtLoss(loss)).toMatchObject({ decided: false, order: { needsAttention: true } });
      expect(await written()).toMatchObject({ reserved: 2, messages: 1 });
    });
  });

  it.each([
    [
      'is tried a few times and no more where the connection is lost each time',
      'Connection terminated unexpectedly',
      4,
    ],
    ['is tried once where it has waited for a connection in vain', 'timeout exceeded when trying to connect', 1],
  ])('%s', async (_what, message, tries) => {
    const failing = jest.spyOn(app.context.get(DataSource), 'transaction').mockRejectedValue(new Error(message));
    await expect(app.context.get(Cancellation).cancel(orderId)).rejects.toThrow(message);
    expect(failing).toHaveBeenCalledTimes(tries);
    expect(await written()).toEqual({ events: ['placed'], reserved: 2, messages: 1 });
  });
});
