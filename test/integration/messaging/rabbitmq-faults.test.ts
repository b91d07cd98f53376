import { type Channel, type ChannelModel, connect } from 'amqplib';
import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import { Burial } from '../../../src/messaging/brokers/rabbitmq/burial';
import { RabbitConnection } from '../../../src/messaging/brokers/rabbitmq/connection';
import { Consumers } from '../../../src/messaging/brokers/rabbitmq/consumers';
import { DeadLetterDrain } from '../../../src/messaging/brokers/rabbitmq/dead-letter-drain';
import { Publisher } from '../../../src/messaging/brokers/rabbitmq/publisher';
import { RabbitmqBroker } from '../../../src/messaging/brokers/rabbitmq/rabbitmq.broker';
import { OutboxRelay } from '../../../src/messaging/brokers/rabbitmq/relay';
import { Serving } from '../../../src/messaging/brokers/rabbitmq/serving';
import { Topology } from '../../../src/messaging/brokers/rabbitmq/topology';
import { Watchdog } from '../../../src/messaging/brokers/rabbitmq/watchdog';
import { randomPrefix, removePrefix, Wire } from '../../support/rabbitmq';
import { eventually, Inbox, MessagingFixture, signal } from './messaging-fixture';

const SUITE_TIMEOUT_MS = 60_000;
const VENDORS = ['acme', 'globex'];
/** To publish, to consume and to drain. */
const CONNECTIONS = 3;
const url = process.env.HOLDFAST_TEST_RABBITMQ_URL!;

jest.setTimeout(SUITE_TIMEOUT_MS);

(url ? describe : describe.skip)('the RabbitMQ broker', () => {
  const fixture = new MessagingFixture();
  let prefix: string;
  let topology: Topology;
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
    topology = new Topology(prefix);
    wire = await new Wire(url).open();
    channel = await observer.createChannel();
    channel.on('error', () => undefined);
    brokers = [];
  });
  afterEach(async () => {
    await Promise.all(brokers.map((broker) => broker.stop(0)));
    await wire.close();
    await removePrefix(url, prefix, VENDORS);
    fixture.expectNothingEscaped();
  });

  async function started(): Promise<RabbitmqBroker> {
    const { dataSource, outbox, repository, deadLetters } = fixture;
    const broker = new RabbitmqBroker({
      dataSource,
      vitals,
      outbox,
      repository,
      deadLetters,
      url: wire.url,
      prefix,
      isTransient,
      retryDelayMs: () => 5,
    });
    brokers.push(broker);
    await broker.start();
    return broker;
  }

  const { vitals } = fixture;
  const observerSees = (vendorId: string) => channel.checkQueue(topology.queueOf(vendorId));
  const isUp = (broker: RabbitmqBroker) => async () => (await broker.health()).up;

  it('removes a queue that nobody needs, and creates it again for the next consumer', async () => {
    const broker = await started();
    await broker.consume('acme', 1, () => Promise.resolve());
    await eventually(isUp(broker));
    expect(await broker.remove('acme')).toBe(true);
    await expect(observerSees('acme')).rejects.toThrow('NOT_FOUND');
    expect((await broker.health()).consumers).toEqual({});
    expect(await broker.remove('acme')).toBe(true);

    const inbox = new Inbox();
    await broker.consume('acme', 1, inbox.handler);
    await fixture.send(['acme']);
    await eventually(() => inbox.done.length === 1);
  });

  it.each(['something waits in', 'somebody else consumes'])('does not remove a queue that %s', async (use) => {
    const [broker, other] = [await started(), await started()];
    await broker.consume('acme', 0, () => Promise.resolve());
    if (use === 'something waits in') {
      await fixture.send(['acme']);
      await eventually(async () => (await broker.waiting('acme')) === 1);
    } else {
      await other.consume('acme', 1, () => Promise.resolve());
      await eventually(isUp(other));
    }
    expect(await broker.remove('acme')).toBe(false);
    await expect(observerSees('acme')).resolves.toBeDefined();
  });

  it('cannot remove a queue while the broker is away', async () => {
    const broker = await started();
    await broker.consume('acme', 1, () => Promise.resolve());
    await eventually(isUp(broker));
    await wire.close();
    await eventually(async () => !(await broker.health()).up);
    expect(await broker.remove('acme')).toBe(false);
  });

  it('counts what waits in a queue, and knows when it cannot', async () => {
    const broker = await started();
    await broker.consume('acme', 1, () => Promise.resolve());
    await eventually(isUp(broker));
    await broker.consume('acme', 0, () => Promise.resolve());
    expect(await broker.waiting('acme')).toBe(0);
    await fixture.send(['acme', 'acme']);
    await eventually(async () => (await broker.waiting('acme')) === 2);
    await channel.deleteQueue(topology.queueOf('acme'));
    expect(await broker.waiting('acme')).toBe(0);
    await wire.close();
    await eventually(async () => (await broker.waiting('acme')) === undefined);
    await wire.reopen();
  });

  describe('when its connections are cut', () => {
    it('with a handler at work, survives, delivers the message again and lets no handler run beside another', async () => {
      const broker = await started();
      const inbox = new Inbox();
      const release = signal();
      await broker.consume('acme', 1, inbox.handlerUntil(release));
      const [message] = await fixture.send(['acme']);
      await eventually(() => inbox.atWork === 1);
      wire.cut();
      await eventually(async () => !(await broker.health()).up);
      await eventually(isUp(broker));
      // The broker has given the message to the new consumer, which waits for the old handler's end.
      await eventually(async () => (await channel.checkQueue(topology.queueOf('acme'))).messageCount === 0);
      release.resolve();
      await eventually(() => inbox.done.length === 2);
      expect(inbox.done).toEqual([message, message]);
      expect(inbox.atWorkMax).toBe(1);
    });

    it('again and again while messages flow, loses none', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 2, inbox.handlerTaking(1));
      const sent = new Set<string>();
      for (let round = 0; round < 4; round += 1) {
        for (const { messageId } of await fixture.send(Array<string>(100).fill('acme'))) sent.add(messageId);
        await eventually(() => inbox.done.length > round * 100 + 10);
        wire.cut();
      }
      const delivered = () => new Set(inbox.done.map(({ messageId }) => messageId));
      await eventually(() => delivered().size === sent.size, 20_000);
      expect(delivered()).toEqual(sent);
      expect(inbox.atWorkMax).toBeLessThanOrEqual(2);
    });

    it('does not bring cancelled consumers back', async () => {
      const broker = await started();
      await broker.consume('globex', 1, () => Promise.resolve());
      await broker.consume('acme', 2, () => Promise.resolve());
      await eventually(isUp(broker));
      await broker.consume('acme', 0, () => Promise.resolve());
      wire.cut();
      await eventually(async () => !(await broker.health()).up);
      await eventually(isUp(broker));
      expect((await channel.checkQueue(topology.queueOf('globex'))).consumerCount).toBe(1);
      expect((await channel.checkQueue(topology.queueOf('acme'))).consumerCount).toBe(0);
    });

    it('delivers what was sent meanwhile when it is connected again', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      await eventually(isUp(broker));
      await wire.close();
      await eventually(async () => !(await broker.health()).up);
      await fixture.send(['acme', 'acme']);
      await wire.reopen();
      await eventually(() => inbox.done.length === 2);
    });
  });

  describe('at the queues', () => {
    it('publishes persistent messages with id, type, trace context, attempt, vendor and subject', async () => {
      const broker = await started();
      await broker.consume('acme', 0, () => Promise.resolve());
      const sent = {
        ...fixture.message('acme'),
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        attempt: 3,
      };
      await fixture.enqueue([sent]);
      await eventually(async () => (await fixture.outboxCount()) === 0);
      const received = await channel.get(topology.queueOf('acme'), { noAck: true });
      if (!received) throw new Error('nothing was published');
      expect(JSON.parse(received.content.toString())).toEqual(sent.payload);
      expect(received.fields).toMatchObject({ exchange: `${prefix}.orders`, routingKey: 'acme' });
      expect(received.properties).toMatchObject({
        messageId: sent.messageId,
        type: sent.type,
        deliveryMode: 2,
        contentType: 'application/json',
        headers: { vendorId: 'acme', subject: sent.subject, attempt: 3, traceparent: sent.traceparent },
      });
    });

    it.each([
      ['a body that is not JSON', 'not JSON', { type: 'order.placed.v1', messageId: 'm', headers: { subject: 's' } }],
      ['a body that is no object', '[1]', { type: 'order.placed.v1', messageId: 'm', headers: { subject: 's' } }],
      ['no type', '{}', { messageId: 'm', headers: { subject: 's' } }],
      ['no id', '{}', { type: 'order.placed.v1', headers: { subject: 's' } }],
      ['no headers', '{}', { type: 'order.placed.v1', messageId: 'm' }],
    ])('dead-letters a message with %s and serves the next', async (_, body, options) => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      await eventually(isUp(broker));
      channel.publish(`${prefix}.orders`, 'acme', Buffer.from(body), options);
      const [next] = await fixture.send(['acme']);
      await eventually(() => inbox.done.length === 1);
      expect(inbox.started).toEqual([next]);
      expect(await fixture.buried()).toMatchObject([{ vendorId: 'acme', cause: expect.stringContaining('read') }]);
      expect((await channel.checkQueue(`${prefix}.dead`)).messageCount).toBe(0);
    });

    it('keeps a message in the outbox whose queue is gone, and delivers it when the queue is back', async () => {
      const broker = await started();
      const [inbox, other] = [new Inbox(), new Inbox()];
      await broker.consume('globex', 1, other.handler);
      await eventually(isUp(broker));
      const [waiting] = await fixture.send(['acme', 'globex']);
      await eventually(() => other.done.length === 1);
      // Returned by the broker and yet confirmed: only the return tells.
      await eventually(async () => (await leaseOf(waiting!.messageId)) === null);
      await broker.consume('acme', 1, inbox.handler);
      await eventually(() => inbox.done.length === 1);
    });

    it('opens its consumers again, and the queue, when somebody has deleted it', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 2, inbox.handler);
      await eventually(isUp(broker));
      await channel.deleteQueue(topology.queueOf('acme'));
      await eventually(async () => (await broker.health()).consumers.acme === 0);
      expect((await broker.health()).reason).toBe('vendor acme has 0 of 2 consumers');
      await fixture.send(['acme']);
      await eventually(() => inbox.done.length === 1);
      await eventually(isUp(broker));
    });

    it('reports a queue that has other arguments, leaves it alone, stays connected and serves the other vendors', async () => {
      await channel.assertQueue(topology.queueOf('acme'), { durable: true, maxLength: 5 });
      channel.sendToQueue(topology.queueOf('acme'), Buffer.from('somebody else’s'));
      const broker = await started();
      const [inbox, other] = [new Inbox(), new Inbox()];
      await broker.consume('acme', 1, inbox.handler);
      await broker.consume('globex', 1, other.handler);
      await fixture.send(['globex', 'acme']);
      await eventually(() => other.done.length === 1);
      await eventually(async () => (await broker.health()).reason?.includes('PRECONDITION') ?? false);
      expect((await broker.health()).reason).toContain(topology.queueOf('acme'));
      expect((await channel.checkQueue(topology.queueOf('acme'))).messageCount).toBe(1);
      expect(wire.connections).toBe(CONNECTIONS);

      await channel.deleteQueue(topology.queueOf('acme'));
      await eventually(() => inbox.done.length === 1);
      expect(await broker.health()).toMatchObject({ up: true, consumers: { acme: 1, globex: 1 } });
      expect(wire.connections).toBe(CONNECTIONS);
    });

    it('reports an exchange that is something else, and publishes nothing into it', async () => {
      await channel.assertExchange(`${prefix}.orders`, 'fanout', { durable: true });
      const broker = await started();
      await broker.consume('acme', 1, () => Promise.resolve());
      await fixture.send(['acme']);
      await eventually(async () => (await broker.health()).reason?.includes('PRECONDITION') ?? false);
      expect(await fixture.outboxCount()).toBe(1);
      expect(wire.connections).toBe(CONNECTIONS);
    });
  });

  describe('the relay', () => {
    it('does not touch the outbox while there is no connection', async () => {
      const { dataSource, outbox, repository } = fixture;
      const publisher = new Publisher(wire.url, topology);
      await wire.close();
      await publisher.connection.start();
      await fixture.send(['acme']);
      const versions = () => dataSource.query('SELECT xmin FROM outbox');
      const before: unknown = await versions();
      expect(await new OutboxRelay({ dataSource, vitals, outbox, repository, publisher }).runOnce()).toBe(0);
      expect(await versions()).toEqual(before);
      await publisher.connection.close();
    });

    it('publishes a message again when it dies between publishing and deleting', async () => {
      const publisher = new Publisher(wire.url, topology);
      await publisher.connection.start();
      await eventually(() => publisher.connection.fault === undefined);
      await channel.assertExchange(`${prefix}.dead`, 'fanout', { durable: true });
      await channel.assertExchange(`${prefix}.orders`, 'direct', { durable: true });
      await topology.declareQueue(channel, 'acme');
      const dying = Object.create(fixture.repository) as typeof fixture.repository;
      dying.delete = () => Promise.reject(new Error('killed'));
      const { dataSource, outbox } = fixture;
      await fixture.send(['acme']);
      await expect(
        new OutboxRelay({ dataSource, vitals, outbox, repository: dying, publisher }).runOnce(),
      ).rejects.toThrow('killed');
      await dataSource.query('UPDATE outbox SET leased_until = now()');
      expect(
        await new OutboxRelay({ dataSource, vitals, outbox, repository: fixture.repository, publisher }).runOnce(),
      ).toBe(1);
      expect(await fixture.outboxCount()).toBe(0);
      await eventually(async () => (await channel.checkQueue(topology.queueOf('acme'))).messageCount === 2);
      await publisher.connection.close();
    });

    it('leaves a vendor of which nothing is confirmed alone for longer each time, and not the others', async () => {
      const publisher = new Publisher(wire.url, topology);
      const { dataSource, outbox, repository } = fixture;
      let now = 0;
      const relay = new OutboxRelay({ dataSource, vitals, outbox, repository, publisher, clock: () => now });
      jest.spyOn(publisher, 'ready').mockResolvedValue(true);
      let confirms = ['globex'];
      const published = jest.spyOn(publisher, 'publish').mockImplementation((messages) => {
        const isStored = ({ vendorId }: (typeof messages)[number]) => confirms.includes(vendorId);
        const [stored, unconfirmed] = [messages.filter(isStored), messages.filter((each) => !isStored(each))];
        return Promise.resolve({ stored, unroutable: [], unconfirmed });
      });
      const batch = async () => {
        published.mockClear();
        await fixture.send(['globex']);
        await relay.runOnce();
        return published.mock.calls[0]![0].map(({ vendorId }) => vendorId).toSorted();
      };
      await fixture.send(['acme']);
      const asked = [];
      for (now of [0, 999, 1_001, 2_999, 3_002, 7_001, 7_003]) asked.push(await batch());
      const [both, others] = [['acme', 'globex'], ['globex']];
      expect(asked).toEqual([both, others, both, others, both, others, both]);
      // A broker that confirms nothing at all is no vendor's fault.
      confirms = [];
      now = 100_000;
      expect([await batch(), await batch()].map((vendors) => vendors.includes('acme'))).toEqual([true, true]);
      confirms = ['acme', 'globex'];
      expect(await batch()).toContain('acme');
      expect(await fixture.outboxCount()).toBe(0);
    });

    it('leaves a vendor without a queue alone for a second, and not the others', async () => {
      const publisher = new Publisher(wire.url, topology);
      await publisher.connection.start();
      await eventually(() => publisher.connection.fault === undefined);
      await publisher.ready();
      await topology.declareQueue(channel, 'globex');
      const { dataSource, outbox, repository } = fixture;
      let now = 0;
      const relay = new OutboxRelay({ dataSource, vitals, outbox, repository, publisher, clock: () => now });
      const published = jest.spyOn(publisher, 'publish');
      await fixture.send(['acme', 'globex']);
      expect(await relay.runOnce()).toBe(1);
      await fixture.send(['globex']);
      expect(await relay.runOnce()).toBe(1);
      expect(published.mock.calls.map(([messages]) => messages.length)).toEqual([2, 1]);
      now = 1_001;
      await relay.runOnce();
      expect(published.mock.calls[2]![0].map(({ vendorId }) => vendorId)).toEqual(['acme']);
      expect(await fixture.outboxCount()).toBe(1);
      await publisher.connection.close();
    });
  });

  it('lets go of a channel whose connection ends before the broker has confirmed the goodbye', async () => {
    const connection = new RabbitConnection({ url: wire.url, purpose: 'consume' });
    await connection.start();
    await eventually(() => connection.fault === undefined);
    const done = connection.onTemporaryChannel(async () => {
      // The goodbye is what is written next; no answer comes within a turn of the event loop.
      setImmediate(() => wire.cut());
      return Promise.resolve('done');
    });
    expect(await done).toBe('done');
    await connection.close();
  });

  describe('the watchdog', () => {
    it('connects anew when a channel did not come back behind a connection that stands', async () => {
      const publishing = new RabbitConnection({ url: wire.url, purpose: 'publish' });
      const burial = new Burial(fixture.dataSource, fixture.deadLetters);
      const consumers = new Consumers(wire.url, topology, new Serving({ isTransient }, burial));
      const drain = new DeadLetterDrain(wire.url, topology, burial);
      const watchdog = new Watchdog(publishing, consumers, drain);
      await publishing.start();
      await consumers.connection.start();
      await drain.connection.start();
      await consumers.consume('acme', 1, () => Promise.resolve());
      await eventually(() => publishing.fault === undefined && consumers.fault === undefined);
      // Somebody listening for the error is what keeps a channel closed for good.
      publishing.channel!.on('error', () => undefined);
      publishing.channel!.publish('no such exchange', '', Buffer.from(''));
      await eventually(() => publishing.lacksChannel);
      await watchdog.runOnce();
      expect(publishing.lacksChannel).toBe(true);
      await watchdog.runOnce();
      await eventually(() => publishing.fault === undefined);
      expect(wire.connections).toBe(CONNECTIONS + 1);
      await Promise.all([publishing.close(), consumers.stop(), drain.stop()]);
      await Promise.all([consumers.connection.close(), drain.connection.close()]);
    });
  });

  async function leaseOf(messageId: string): Promise<string | null | undefined> {
    const found = await fixture.dataSource.query<{ leased_by: string | null }[]>(
      'SELECT leased_by FROM outbox WHERE message_id = $1',
      [messageId],
    );
    return found[0]?.leased_by;
  }
});
