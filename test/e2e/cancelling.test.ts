import { createDatabase, type TestDatabase } from '../support/database';
import { completed, install, type Installation } from '../support/installation';
import { freePort } from '../support/processes';
import { waitFor } from '../support/wait';

/** As a client sees it, with a worker that dispatches meanwhile. */
describe('POST /v1/orders/{orderId}/cancel', () => {
  let database: TestDatabase;
  let installation: Installation;

  beforeAll(async () => {
    database = await createDatabase();
    installation = await install(database.url, {}, 60_000);
  });

  afterAll(async () => {
    await installation?.stop();
    await database?.drop();
  });

  const place = async (): Promise<string> =>
    (await installation.client.post('/v1/orders', { productId: 'acme:A-1', quantity: 3 })).body.orderId;
  const cancel = (orderId: string) => installation.client.call('POST', `/v1/orders/${orderId}/cancel`);
  const product = async () => (await installation.client.get('/v1/products/acme:A-1')).body;

  async function decided(orderId: string) {
    const order = async () => (await installation.client.get(`/v1/orders/${orderId}`)).body;
    await waitFor(async () => (await order()).status !== 'pending', { withinMs: 20_000, what: 'the order to end' });
    return order();
  }

  it('answers 200 and frees the stock while nothing was sent, and 200 again', async () => {
    const { client, vendor } = installation;
    const registered = (await client.get('/v1/vendors/acme')).body;
    const { name, kind, syncIntervalMs } = registered;
    const elsewhere = `http://127.0.0.1:${await freePort()}`;
    await client.put('/v1/vendors/acme', { name, kind, syncIntervalMs, baseUrl: elsewhere });
    const orderId = await place();
    const first = await cancel(orderId);
    expect(first).toMatchObject({ status: 200, body: { orderId, status: 'failed', failureReason: 'CANCELLED' } });
    const withType = { 'content-type': 'application/json' };
    const second = await client.call('POST', `/v1/orders/${orderId}/cancel`, undefined, withType);
    expect(second).toMatchObject({ status: 200, body: first.body });
    expect(await product()).toMatchObject({ reservedQuantity: 0 });
    await client.put('/v1/vendors/acme', { name, kind, syncIntervalMs, baseUrl: vendor.baseUrl });
  });

  it('answers 202 when it may have been sent, and has it cancelled in the vendor’s books', async () => {
    const { client, vendor } = installation;
    await vendor.faults({ acceptThenDrop: { count: 1 }, latency: { ms: 1000, operation: 'lookup' } });
    const orderId = await place();
    await waitFor(async () => (await vendor.accepted()).length === 1, {
      withinMs: 10_000,
      what: 'the vendor to accept',
    });
    const answer = await cancel(orderId);
    expect(answer).toMatchObject({ status: 202, body: { status: 'pending', cancelRequestedAt: expect.any(String) } });
    expect(await decided(orderId)).toMatchObject({ status: 'failed', failureReason: 'CANCELLED' });
    expect(await vendor.accepted()).toEqual([]);
    expect(await product()).toMatchObject({ reservedQuantity: 0 });
    const { items } = (await client.get(`/v1/orders/${orderId}/events`)).body;
    const types = (items as { type: string }[]).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['cancelRequested', 'cancelled']));
    await vendor.faults({});
  });

  it('answers 409 when it is completed', async () => {
    const orderId = await place();
    await completed(installation, 1, 10_000);
    const answer = await cancel(orderId);
    expect(answer).toMatchObject({ status: 409, body: { code: 'ORDER_NOT_CANCELLABLE' } });
    expect((await installation.client.get(`/v1/orders/${orderId}`)).body).toMatchObject({ status: 'completed' });
  });
});
