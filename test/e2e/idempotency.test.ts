import { type Answer, ApiClient, type Json } from '../support/client';
import { createDatabase, type TestDatabase } from '../support/database';
import { type Installation, install, STOCK } from '../support/installation';
import { type AppProcess, freePort, ready, startProcess } from '../support/processes';

let database: TestDatabase;
let installation: Installation;
let otherApi: AppProcess;
let client: ApiClient;
let nextProduct = 1;

beforeAll(async () => {
  database = await createDatabase();
  installation = await install(database.url, {}, 60_000);
  const env = { DATABASE_URL: database.url, ADMIN_API_KEY: 'another-api-process', LOG_LEVEL: 'warn' };
  otherApi = await startProcess('api', { ...env, PORT: String(await freePort()) });
  await ready(otherApi);
  client = installation.client;
});

afterAll(async () => {
  await otherApi?.stop();
  await installation?.stop();
  await database?.drop();
});

/** A product no other test has ordered from. */
const untouchedProduct = (): string => `acme:A-${nextProduct++}`;

function place(by: ApiClient, key: string, body: unknown): Promise<Answer<Json>> {
  return by.post('/v1/orders', body, { 'idempotency-key': key });
}

async function keyOf(owner: string): Promise<{ apiKeyId: string; key: string }> {
  return (await client.post('/v1/api-keys', { name: 'test', client: owner, scopes: ['orders:write'] })).body;
}

const clientWith = async (owner: string): Promise<ApiClient> => new ApiClient(otherApi.url, (await keyOf(owner)).key);

async function ordersOf(productId: string): Promise<unknown[]> {
  return (await client.get(`/v1/orders?productId=${productId}`)).body.items;
}

const replayed = ({ headers }: Answer<Json>): string | null => headers.get('idempotency-replayed');

describe('the same key and body again', () => {
  it('answers the first order again, whatever has become of it, and places no second one', async () => {
    const body = { productId: untouchedProduct(), quantity: 2 };
    const first = await place(client, 'again', body);
    expect([first.status, replayed(first)]).toEqual([201, null]);
    await database.dataSource.query(`UPDATE products SET name = 'Renamed', price = 1 WHERE product_id = $1`, [
      body.productId,
    ]);

    const second = await place(client, 'again', body);
    expect([second.status, replayed(second)]).toEqual([201, 'true']);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(await ordersOf(body.productId)).toHaveLength(1);
  });

  it('answers the first refusal for lack of stock again, with the numbers of then', async () => {
    const productId = untouchedProduct();
    const first = await place(client, 'short', { productId, quantity: STOCK + 1 });
    expect(first).toMatchObject({ status: 409, body: { code: 'INSUFFICIENT_STOCK' } });
    expect(first.body.errors[0]).toMatchObject({
      field: 'quantity',
      productId,
      requested: STOCK + 1,
      available: STOCK,
    });
    expect(replayed(first)).toBeNull();
    await client.post('/v1/orders', { productId, quantity: 10 });

    const second = await place(client, 'short', { productId, quantity: STOCK + 1 });
    expect([second.status, replayed(second)]).toEqual([409, 'true']);
    expect({ ...second.body, requestId: first.body.requestId }).toEqual(first.body);
    expect(second.headers.get('x-request-id')).toBe(second.body.requestId);
  });

  it('is the same body in another spelling', async () => {
    const productId = untouchedProduct();
    const first = await place(client, 'spelling', `{"productId":"${productId}","quantity":1}`);
    const second = await place(client, 'spelling', `{ "quantity": 1.0,\n "productId": "${productId}" }`);
    expect([second.status, replayed(second), second.body.orderId]).toEqual([201, 'true', first.body.orderId]);
  });

  it('is the same checkout in another spelling', async () => {
    const productId = untouchedProduct();
    const checkOut = (body: string) => client.post('/v1/checkouts', body, { 'idempotency-key': 'spelt checkout' });
    const first = await checkOut(`{"lines":[{"productId":"${productId}","quantity":1}]}`);
    const second = await checkOut(`{ "lines": [{"quantity": 1.0, "productId": "${productId}"}] }`);
    expect([second.status, replayed(second), second.body]).toEqual([201, 'true', first.body]);
  });

  it('is remembered by every API process', async () => {
    const body = { productId: untouchedProduct(), quantity: 1 };
    const { key } = await keyOf('everywhere');
    const first = await place(new ApiClient(client.url, key), 'everywhere', body);
    const second = await place(new ApiClient(otherApi.url, key), 'everywhere', body);
    expect([replayed(second), second.body]).toEqual(['true', first.body]);
  });

  it('outlives the rotation of the API key, as the key belongs to the client', async () => {
    const body = { productId: untouchedProduct(), quantity: 1 };
    const old = await keyOf('rotating shop');
    const first = await place(new ApiClient(client.url, old.key), 'rotated', body);
    const next = await keyOf('rotating shop');
    await client.call('DELETE', `/v1/api-keys/${old.apiKeyId}`);
    const second = await place(new ApiClient(client.url, next.key), 'rotated', body);
    expect([second.status, replayed(second), second.body.orderId]).toEqual([201, 'true', first.body.orderId]);
  });

  it('places exactly one order for thirty requests at once, over two API processes', async () => {
    const body = { productId: untouchedProduct(), quantity: 1 };
    const { key } = await keyOf('impatient');
    const apis = [new ApiClient(client.url, key), new ApiClient(otherApi.url, key)];
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => place(apis[index % 2]!, 'at once', body)),
    );
    const orderIds = new Set(answers.filter(({ status }) => status === 201).map(({ body: order }) => order.orderId));
    expect(orderIds.size).toBe(1);
    expect(answers.filter((answer) => answer.status === 201 && replayed(answer) === null)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expect([answer.status, answer.body.code]).toEqual([409, 'IDEMPOTENCY_IN_PROGRESS']);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    }
    expect(await ordersOf(body.productId)).toHaveLength(1);
    const late = await place(apis[1]!, 'at once', body);
    expect([late.status, replayed(late), late.body.orderId]).toEqual([201, 'true', ...orderIds]);
  });
});

describe('the same key', () => {
  it('with another body is refused, and the first answer stays', async () => {
    const productId = untouchedProduct();
    const first = await place(client, 'reused', { productId, quantity: 1 });
    for (const other of [
      { productId, quantity: 2 },
      { productId: untouchedProduct(), quantity: 1 },
    ]) {
      const refused = await place(client, 'reused', other);
      expect([refused.status, refused.body.code, replayed(refused)]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED', null]);
    }
    expect((await place(client, 'reused', { productId, quantity: 1 })).body.orderId).toBe(first.body.orderId);
  });

  it('with another body than a remembered refusal is refused too', async () => {
    const productId = untouchedProduct();
    await place(client, 'reused after refusal', { productId, quantity: STOCK + 1 });
    expect((await place(client, 'reused after refusal', { productId, quantity: 1 })).status).toBe(422);
  });

  it('belongs to its route: an order and a checkout do not share it', async () => {
    const line = { productId: untouchedProduct(), quantity: 1 };
    const order = await place(client, 'routes', line);
    const checkout = () => client.post('/v1/checkouts', { lines: [line] }, { 'idempotency-key': 'routes' });
    const [first, second] = [await checkout(), await checkout()];
    expect([first.status, replayed(first), second.status, replayed(second)]).toEqual([201, null, 201, 'true']);
    expect(first.body.orders[0].orderId).not.toBe(order.body.orderId);
    expect(second.body).toEqual(first.body);
  });

  it('belongs to its client: another one places an order of its own', async () => {
    const body = { productId: untouchedProduct(), quantity: 1 };
    const [one, two] = [await clientWith('one'), await clientWith('two')];
    const [first, second] = [await place(one, 'shared', body), await place(two, 'shared', body)];
    expect([second.status, replayed(second)]).toEqual([201, null]);
    expect(second.body.orderId).not.toBe(first.body.orderId);
  });

  it.each(['with spaces and "quotes"', '~!', 'k'.repeat(255)])('may be %s', async (key) => {
    const body = { productId: untouchedProduct(), quantity: 1 };
    const first = await place(client, key, body);
    expect([first.status, replayed(first)]).toEqual([201, null]);
    expect(replayed(await place(client, key, body))).toBe('true');
  });
});

describe('a key stays free', () => {
  it.each([
    ['an unknown product', { productId: 'acme:none', quantity: 1 }, 404],
    ['a body that breaks a rule', { productId: 'acme:none', quantity: 0 }, 400],
    ['a body that is not JSON', '{', 400],
  ])('after %s', async (what, body, status) => {
    expect((await place(client, what, body)).status).toBe(status);
    const next = await place(client, what, { productId: untouchedProduct(), quantity: 1 });
    expect([next.status, replayed(next)]).toEqual([201, null]);
  });

  it('after a disabled vendor, for the same request once it is enabled', async () => {
    const body = { productId: untouchedProduct(), quantity: 1 };
    const vendor = { name: 'Acme', kind: 'rest', baseUrl: installation.vendor.baseUrl };
    await client.put('/v1/vendors/acme', { ...vendor, enabled: false });
    const refused = await place(client, 'disabled', body);
    await client.put('/v1/vendors/acme', vendor);
    expect([refused.status, refused.body.code]).toEqual([409, 'VENDOR_DISABLED']);
    const next = await place(client, 'disabled', body);
    expect([next.status, replayed(next)]).toEqual([201, null]);
  });
});

it('no key at all means an order each time', async () => {
  const body = { productId: untouchedProduct(), quantity: 1 };
  await client.post('/v1/orders', body);
  await client.post('/v1/orders', body);
  expect(await ordersOf(body.productId)).toHaveLength(2);
});
