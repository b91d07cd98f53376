import { type Channel, type ChannelModel, connect } from 'amqplib';
import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import type { Connection } from '../../../src/database/sql';
import { UnreadableMessage } from '../../../src/messaging/broker';
import { RabbitmqBroker } from '../../../src/messaging/brokers/rabbitmq/rabbitmq.broker';
import { Topology } from '../../../src/messaging/brokers/rabbitmq/topology';
import type { DeadLetter, DeadLetterRepository } from '../../../src/messaging/dead-letters/dead-letter.repository';
import { randomPrefix, removePrefix, Wire } from '../../support/rabbitmq';
import { eventually, Inbox, MessagingFixture } from './messaging-fixture';

const SUITE_TIMEOUT_MS = 60_000;
const ORDER = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';
const MiB = 1024 * 1024;
const url = process.env.HOLDFAST_TEST_RABBITMQ_URL!;

jest.setTimeout(SUITE_TIMEOUT_MS);

(url ? describe : describe.skip)("the broker's dead-letter queue", () => {
  const fixture = new MessagingFixture();
  let prefix: string;
  let dead: string;
  let wire: Wire;
  let observer: ChannelModel;
  let channel: Channel;
  let brokers: RabbitmqBroker[];

  beforeAll(async () => {
    await fixture.open();
    observer = await connect(url);
  });
  afterAll(async () => {
    await observer.close();
    await fixture.close();
  });
  beforeEach(async () => {
    await fixture.clear();
    prefix = randomPrefix();
    dead = `${prefix}.dead`;
    wire = await new Wire(url).open();
    channel = await observer.createChannel();
    channel.on('error', () => undefined);
    await new Topology(prefix).declareShared(channel);
    brokers = [];
  });
  afterEach(async () => {
    await Promise.all(brokers.map((broker) => broker.stop(1_000)));
    await wire.close();
    await removePrefix(url, prefix, ['acme']);
    fixture.expectNothingEscaped();
  });

  async function started(deadLetters: DeadLetterRepository = fixture.deadLetters): Promise<RabbitmqBroker> {
    const { dataSource, outbox, repository, vitals } = fixture;
    const common = { dataSource, outbox, repository, deadLetters, vitals, isTransient };
    const broker = new RabbitmqBroker({ ...common, url: wire.url, prefix, retryDelayMs: () => 5 });
    brokers.push(broker);
    await broker.start();
    return broker;
  }

  /** The table as it is, with an insert of the test's own. */
  function inserting(insert: (store: () => Promise<void>) => Promise<void>): DeadLetterRepository {
    const repository = Object.create(fixture.deadLetters) as DeadLetterRepository;
    repository.insert = (on: Connection, letter: DeadLetter) => insert(() => fixture.deadLetters.insert(on, letter));
    return repository;
  }

  const drainers = async (): Promise<number> => (await channel.checkQueue(dead)).consumerCount;
  const buried = async (count: number): Promise<DeadLetter[]> => {
    await eventually(async () => (await fixture.buried()).length >= count);
    await eventually(async () => (await channel.checkQueue(dead)).messageCount === 0);
    return fixture.buried();
  };

  it('is drained of whatever it holds, each message once', async () => {
    await started();
    await eventually(async () => (await drainers()) === 1);
    const put = (content: string | Buffer, options: object = {}) =>
      channel.sendToQueue(dead, Buffer.from(content), options);
    const ours = { messageId: 'm', type: 'order.placed.v1', headers: { vendorId: 'acme', subject: ORDER, attempt: 2 } };
    put(`{"orderId":"${ORDER}"}`, ours);
    put('not JSON', { ...ours, messageId: 'n' });
    put(Buffer.from([0, 1, 0xff, 0xfe]));
    put(Buffer.alloc(5 * MiB, 'x'));
    put('["\0"]', { type: 'a\0b', headers: { 'x-death': 5, list: ['\0'], 'n\0l': '\0' } });
    put(`{"orderId":"${ORDER}"}`, ours);
    put('', { headers: { 'x-death': [null] } });
    const letters = await buried(6);
    expect(letters).toHaveLength(6);
    expect(letters[0]).toEqual({
      vendorId: 'acme',
      orderId: ORDER,
      cause: 'Somebody put it into the dead-letter queue.',
      payload: {
        vendorId: 'acme',
        subject: ORDER,
        attempt: 2,
        messageId: 'm',
        type: 'order.placed.v1',
        payload: { orderId: ORDER },
      },
    });
    expect(letters[1]!.cause).toMatch(/The message cannot be read: its body is not JSON\.$/);
    expect(letters[3]!.payload).toMatchObject({ bytes: 5 * MiB });
  });

  it('tells what the broker gave up by itself, and where', async () => {
    await new Topology(prefix).declareQueue(channel, 'acme');
    await started();
    channel.publish(`${prefix}.orders`, 'acme', Buffer.from('{}'), { expiration: '1', messageId: 'm', type: 't' });
    expect(await buried(1)).toMatchObject([
      {
        vendorId: 'acme',
        cause: `The broker gave it up in ${prefix}.orders.acme (expired). The message cannot be read: it has no subject.`,
      },
    ]);
  });

  it('is drained again when the connection, or the queue, comes back', async () => {
    await started();
    await eventually(async () => (await drainers()) === 1);
    wire.cut();
    await eventually(async () => (await drainers()) === 0);
    channel.sendToQueue(dead, Buffer.from('first'));
    expect(await buried(1)).toHaveLength(1);
    await channel.deleteQueue(dead);
    await eventually(async () => {
      const again = await observer.createChannel();
      again.on('error', () => undefined);
      return (await again.checkQueue(dead)).consumerCount === 1;
    });
    channel.sendToQueue(dead, Buffer.from('second'));
    expect(await buried(2)).toHaveLength(2);
  });

  it('gives a message again whose row was committed and whose acknowledgement was lost: it is stored once', async () => {
    let stored = 0;
    await started(
      inserting(async (store) => {
        await store();
        stored += 1;
        if (stored === 1) wire.cut();
      }),
    );
    await eventually(async () => (await drainers()) === 1);
    channel.sendToQueue(dead, Buffer.from('once'));
    await eventually(() => stored === 2);
    expect(await buried(1)).toHaveLength(1);
  });

  it('keeps what cannot be stored while the database is away', async () => {
    let failures = 3;
    await started(
      inserting((store) =>
        failures-- > 0 ? Promise.reject(new Error('Connection terminated unexpectedly')) : store(),
      ),
    );
    await eventually(async () => (await drainers()) === 1);
    channel.sendToQueue(dead, Buffer.from('later'));
    expect(await buried(1)).toHaveLength(1);
    expect(failures).toBeLessThan(0);
  });

  it('keeps its message when the worker stops before it could be stored', async () => {
    let tries = 0;
    const broker = await started(
      inserting(() => {
        tries += 1;
        return Promise.reject(new Error('away'));
      }),
    );
    channel.sendToQueue(dead, Buffer.from('kept'));
    await eventually(() => tries > 1);
    expect((await channel.checkQueue(dead)).messageCount).toBe(0);
    await broker.stop(1_000);
    await eventually(async () => (await channel.checkQueue(dead)).messageCount === 1);
  });

  it('is bypassed by what a consumer gives up: that is stored with its cause, once, though its channel was lost', async () => {
    let stored = 0;
    const broker = await started(
      inserting(async (store) => {
        await store();
        stored += 1;
        if (stored > 1) return;
        // A message whose confirmation is cut off is published again, rightly, and would be done twice here.
        await eventually(async () => (await fixture.outboxCount()) === 0);
        wire.cut();
      }),
    );
    const inbox = new Inbox();
    await broker.consume(
      'acme',
      1,
      inbox.handlerFailingFirst(() => new UnreadableMessage('order.placed.v9')),
    );
    const sent = await fixture.send(['acme', 'acme']);
    // In either order: the broker may notice only after the next consumer came that the first one is gone.
    await eventually(() => inbox.done.length === 1 && stored === 2);
    const poison = inbox.started[0]!;
    expect(inbox.done).toEqual(sent.filter(({ messageId }) => messageId !== poison.messageId));
    expect(await fixture.buried()).toMatchObject([
      { vendorId: 'acme', orderId: poison.subject, cause: 'The message cannot be read: order.placed.v9.' },
    ]);
  });
});
