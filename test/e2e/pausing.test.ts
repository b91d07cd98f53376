import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install } from '../support/installation';
import { waitFor } from '../support/wait';

const WITHIN_MS = 20_000;

let database: TestDatabase;
let installation: Installation;

beforeAll(async () => {
  database = await createDatabase();
  installation = await install(database.url, { RETRY_DELAY_MS_BASE: '100' }, 60_000);
});

afterAll(async () => {
  await installation?.stop();
  await database?.drop();
});

const vendor = async () => (await installation.client.get('/v1/vendors/acme')).body;

it('an operator stops and starts dispatch to a vendor, and may say so twice', async () => {
  const { client } = installation;
  for (let times = 0; times < 2; times++) {
    const paused = await client.post('/v1/vendors/acme/pause', undefined);
    expect([paused.status, paused.body]).toEqual([200, await vendor()]);
    expect(paused.body).toMatchObject({ vendorId: 'acme', paused: true, breaker: 'closed' });
  }
  const { orderId } = (await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 })).body;
  const { name, kind, baseUrl } = await vendor();
  const replaced = await client.put('/v1/vendors/acme', { name, kind, baseUrl });
  expect(replaced.body).toMatchObject({ paused: true });
  expect((await client.get('/v1/vendors')).body.items).toEqual([expect.objectContaining({ paused: true })]);
  expect((await fetch(`${installation.worker.url}/health/ready`)).status).toBe(200);
  expect((await client.get(`/v1/orders/${orderId}`)).body).toMatchObject({ status: 'pending' });
  for (let times = 0; times < 2; times++) {
    const resumed = await client.post('/v1/vendors/acme/resume', undefined);
    expect([resumed.status, resumed.body.paused]).toEqual([200, false]);
  }
  await completed(installation, 1, WITHIN_MS);
});

it('a vendor that is down is left alone, says so, and gets its orders when it is back', async () => {
  const { client } = installation;
  await installation.vendor.faults({ outage: {} });
  const orders = Array.from({ length: 10 }, (_, index) => ({ productId: `acme:A-${index + 1}`, quantity: 1 }));
  for (const order of orders) expect((await client.post('/v1/orders', order)).status).toBe(201);
  await waitFor(async () => (await vendor()).breaker === 'open', { withinMs: WITHIN_MS, what: 'the breaker to open' });
  await installation.vendor.faults({});
  await completed(installation, 11, 60_000);
  expect(await vendor()).toMatchObject({ breaker: 'closed', breakers: { orders: 'closed' }, paused: false });
  const books = (await installation.vendor.accepted()).map(({ reference }) => reference);
  expect(new Set(books).size).toBe(11);
});
