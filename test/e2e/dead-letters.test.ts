import { connect } from 'amqplib';
import type { Json } from '../support/client';
import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install } from '../support/installation';
import { randomPrefix, removePrefix } from '../support/rabbitmq';
import { expectProblem } from '../support/refusals';
import { waitFor } from '../support/wait';

const ORDERS = 5;
const IMPATIENT = { DELIVERY_AGE_MAX_MS: '1000', RETRY_DELAY_MS_BASE: '100', RETRY_DELAY_MS_MAX: '200' };
const NO_ORDER = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';
const rabbitmqUrl = process.env['HOLDFAST_TEST_RABBITMQ_URL'];
const prefix = randomPrefix();

const transports: [name: string, env: Record<string, string> | undefined][] = [
  ['the embedded transport', {}],
  ['RabbitMQ', rabbitmqUrl === undefined ? undefined : { RABBITMQ_URL: rabbitmqUrl, RABBITMQ_PREFIX: prefix }],
];

describe.each(transports)('dead letters, over %s', (_, env) => {
  const tests = env === undefined ? describe.skip : describe;

  tests('as an operator meets them', () => {
    let database: TestDatabase;
    let installation: Installation;

    beforeAll(async () => {
      database = await createDatabase();
      installation = await install(database.url, { ...IMPATIENT, ...env }, 60_000);
    });

    afterAll(async () => {
      await installation?.stop();
      await database?.drop();
      if (env?.['RABBITMQ_URL']) await removePrefix(env['RABBITMQ_URL'], prefix, ['acme']);
    });

    const letters = async (filter = ''): Promise<Json[]> =>
      (await installation.client.get(`/v1/dead-letters?limit=200${filter}`)).body.items;
    const lettersCome = (count: number): Promise<void> =>
      waitFor(async () => (await letters('&status=open')).length === count, {
        withinMs: 20_000,
        what: () => `${count} dead letters; the worker printed:\n${installation.worker.output()}`,
      });

    it('are replayed, one by one and all at once, and buy nothing twice that the vendor had all along', async () => {
      const { client, vendor } = installation;
      // The vendor books each order, says that it failed, and does not answer when asked about it.
      await vendor.faults({ acceptThen500: {}, error5xx: { operation: 'lookup' } });
      const placed = await Promise.all(
        Array.from({ length: ORDERS }, () => client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 })),
      );
      await lettersCome(ORDERS);
      const [letter] = await letters();
      expect(letter).toMatchObject({
        vendorId: 'acme',
        status: 'open',
        cause: expect.stringContaining('no definite answer'),
        attempts: [{ outcome: 'unknown', detail: expect.any(String), counted: true }],
        payload: { orderId: letter.orderId },
        decidedAt: null,
      });
      expect(await client.get(`/v1/dead-letters/${letter.deadLetterId}`)).toMatchObject({ status: 200, body: letter });
      expect((await client.get('/v1/queues')).body).toMatchObject({
        vendors: [{ vendorId: 'acme', ready: 0, inFlight: 0, scheduled: 0, paused: false }],
        deadLetters: ORDERS,
      });

      await vendor.faults({});
      const all = { vendorId: 'acme', before: new Date(Date.now() + 60_000).toISOString() };
      const foretold = await client.post('/v1/dead-letters/replay', { ...all, dryRun: true });
      expect(foretold).toMatchObject({ status: 202, body: { matched: ORDERS, replayed: ORDERS, dryRun: true } });
      const one = `/v1/dead-letters/${letter.deadLetterId}/replay`;
      const answers = await Promise.all([
        client.call('POST', one),
        client.call('POST', one),
        client.post('/v1/dead-letters/replay', all),
        client.post('/v1/dead-letters/replay', {}),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
      expect(answers.reduce((sum, { body }) => sum + body.replayed, 0)).toBe(ORDERS);
      await completed(installation, ORDERS, 20_000);
      const books = (await vendor.accepted()).map(({ reference }) => reference);
      expect(books.toSorted()).toEqual(placed.map(({ body }) => body.orderId as string).toSorted());
      expect(await letters('&status=open')).toEqual([]);
      expect(await letters('&status=replayed&vendorId=acme')).toHaveLength(ORDERS);
      expect((await letters())[0]).toMatchObject({ decidedBy: 'admin', decidedAt: expect.any(String) });
      const again = await client.call('POST', one);
      expect(again).toMatchObject({ status: 202, body: { matched: 0, replayed: 0, dryRun: false } });
      const events: Json[] = (await client.get(`/v1/orders/${letter.orderId}/events`)).body.items;
      expect(events.map(({ type }) => type)).toContain('replayed');
    });

    it('of poison are there once each, and cannot be replayed where they name no order', async () => {
      const { client } = installation;
      const { body: order } = await client.post('/v1/orders', { productId: 'acme:A-2', quantity: 1 });
      await waitFor(async () => (await client.get(`/v1/orders/${order.orderId}`)).body.status === 'completed', {
        withinMs: 20_000,
        what: 'the order to complete',
      });
      const count = env!['RABBITMQ_URL'] ? await publishPoison(order.orderId) : await plantPoison(order.orderId);
      await lettersCome(count);
      const found = await letters('&status=open');
      expect(found.map(({ cause }) => cause)).toEqual(found.map(() => expect.stringContaining('cannot be read')));
      const dry = await client.post('/v1/dead-letters/replay', { dryRun: true });
      expect(dry.body).toEqual({ matched: count, replayed: 0, dryRun: true });
      for (const { deadLetterId, orderId } of found) {
        const answer = await client.call('POST', `/v1/dead-letters/${deadLetterId}/replay`);
        if (orderId === order.orderId) expect(answer.body).toMatchObject({ matched: 1, replayed: 0 });
        else expectProblem(answer, '409 DEAD_LETTER_NOT_REPLAYABLE');
      }
      expect(found.map(({ orderId }) => orderId)).toContain(order.orderId);
      expect(await installation.vendor.accepted()).toHaveLength(ORDERS + 1);
    });

    /** What somebody else might put there: straight into the exchange, and into the dead-letter queue. Answers how many. */
    async function publishPoison(orderId: string): Promise<number> {
      const connection = await connect(rabbitmqUrl!);
      const channel = await connection.createConfirmChannel();
      const ours = { messageId: 'm', type: 'order.placed.v1', headers: { subject: orderId } };
      const publish = (body: string, options: object) =>
        channel.publish(`${prefix}.orders`, 'acme', Buffer.from(body), { persistent: true, ...options });
      publish('not JSON', ours);
      publish('{}', { messageId: 'n', headers: { subject: NO_ORDER } });
      publish(`{"orderId":"${NO_ORDER}"}`, {
        ...ours,
        messageId: 'o',
        type: 'order.placed.v9',
        headers: { subject: NO_ORDER },
      });
      publish('\0\xff', {});
      channel.sendToQueue(`${prefix}.dead`, Buffer.from('somebody else’s'), { persistent: true });
      await channel.waitForConfirms();
      await connection.close();
      return 5;
    }

    async function plantPoison(orderId: string): Promise<number> {
      await database.dataSource.query(
        `INSERT INTO outbox (message_id, vendor_id, subject, type, payload) VALUES
           ('m', 'acme', '${orderId}', 'order.placed.v1', '{}'),
           ('n', 'acme', '${NO_ORDER}', '', '{"orderId": "${NO_ORDER}"}'),
           ('o', 'acme', 'nothing', 'order.placed.v9', '[]')`,
      );
      return 3;
    }
  });
});
