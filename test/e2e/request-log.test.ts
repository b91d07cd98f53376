import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase, type TestDatabase } from '../support/database';
import { install, type Installation } from '../support/installation';
import { freePort, startProcess } from '../support/processes';
import { waitFor } from '../support/wait';

/** Makes a process fail, where nobody catches it, as soon as it has answered a request. */
const FAIL_AFTER_ANSWER = `const { ServerResponse } = require('node:http');
const end = ServerResponse.prototype.end;
ServerResponse.prototype.end = function (...given) {
  if (this.req.url === '/docs') this.once('finish', () => setImmediate(() => { throw new Error('planted'); }));
  return end.apply(this, given);
};`;

describe('the log', () => {
  let database: TestDatabase;
  let installation: Installation;

  beforeAll(async () => {
    database = await createDatabase();
    installation = await install(database.url, { LOG_LEVEL: 'info' }, 60_000);
  });

  afterAll(async () => {
    await installation?.stop();
    await database?.drop();
  });

  it('has one line a request, without what is secret, and none for probes', async () => {
    const { api, client } = installation;
    const ours = { 'x-request-id': 'mine' };
    await client.call('GET', '/health/live', undefined, ours);
    await client.call('GET', '/metrics', undefined, ours);
    const order = { productId: 'acme:A-1', quantity: 1 };
    await client.post('/v1/orders', order, { ...ours, 'idempotency-key': 'not-for-the-log' });
    const checkout = await client.post<{ orders: { orderId: string }[] }>('/v1/checkouts', { lines: [order] }, ours);
    await client.call('GET', '/v1/nothing?x=1', undefined, ours);
    const lines = () =>
      api
        .output()
        .split('\n')
        .filter((line) => line.includes('"id":"mine"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    await waitFor(() => lines().length >= 3, { withinMs: 5000, what: 'the lines' });
    const begins = Object.keys(JSON.parse(api.output().split('\n', 1)[0]!)).slice(0, 4);
    expect(lines().map((line) => Object.keys(line).slice(0, 4))).toEqual([begins, begins, begins]);
    expect(lines()).toEqual([
      expect.objectContaining({
        level: 30,
        msg: 'POST /v1/orders 201',
        req: { id: 'mine', method: 'POST', url: '/v1/orders' },
        res: { statusCode: 201 },
        responseTime: expect.any(Number),
        client: 'admin',
      }),
      expect.objectContaining({
        msg: 'POST /v1/checkouts 201',
        client: 'admin',
        orderIds: checkout.body.orders.map(({ orderId }) => orderId),
      }),
      expect.objectContaining({ msg: 'GET /v1/nothing?x=1 404' }),
    ]);
    expect(api.output()).not.toContain('not-for-the-log');
    expect(api.output()).not.toContain(installation.adminApiKey);
  });

  it('has the line of the last request of a process that ends by what nobody caught', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-last-line-'));
    const preloaded = join(folder, 'fail.cjs');
    writeFileSync(preloaded, FAIL_AFTER_ANSWER);
    const api = await startProcess('api', {
      DATABASE_URL: database.url,
      ADMIN_API_KEY: installation.adminApiKey,
      PORT: String(await freePort()),
      NODE_OPTIONS: `--require ${preloaded}`,
    });
    await fetch(`${api.url}/docs`);
    // Its end may be noticed before its last words.
    const ended = () => !api.running() && api.output().includes('Ended by an uncaughtException: planted');
    await waitFor(ended, { withinMs: 10_000, what: 'the end' });
    expect(await api.stop()).toBe(1);
    rmSync(folder, { recursive: true });
    expect(api.output()).toContain('"msg":"GET /docs 200"');
  });
});
