import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import { RabbitmqBroker } from '../../../src/messaging/brokers/rabbitmq/rabbitmq.broker';
import { canStartBroker, type PrivateBroker, privateBroker, Wire } from '../../support/rabbitmq';
import { eventually, Inbox, MessagingFixture } from './messaging-fixture';

/** Each start of a node takes 7 s on an idle machine. */
const SUITE_TIMEOUT_MS = 240_000;
const RECONNECT_DEADLINE_MS = 20_000;
/** To publish, to consume and to drain. */
const CONNECTIONS = 3;

jest.setTimeout(SUITE_TIMEOUT_MS);

(canStartBroker() ? describe : describe.skip)('with a RabbitMQ that comes and goes', () => {
  const fixture = new MessagingFixture();
  let node: PrivateBroker;
  let broker: RabbitmqBroker;
  let inbox: Inbox;

  beforeAll(async () => {
    await fixture.open();
    node = await privateBroker({ started: false });
  });
  afterAll(async () => {
    await node.remove();
    await fixture.close();
  });
  beforeEach(async () => {
    await fixture.clear();
    broker = newBroker();
    inbox = new Inbox();
  });
  afterEach(async () => {
    await broker.stop(0);
    fixture.expectNothingEscaped();
  });

  function newBroker(url = node.url): RabbitmqBroker {
    const { dataSource, outbox, repository, deadLetters, vitals } = fixture;
    const prefix = 'holdfast';
    return new RabbitmqBroker({ dataSource, outbox, repository, deadLetters, vitals, url, prefix, isTransient });
  }

  it('starts without it, says why nothing moves, stops without it, and delivers when it comes', async () => {
    await broker.start();
    await broker.consume('acme', 1, inbox.handler);
    await fixture.send(['acme']);
    await eventually(async () => (await broker.health()).reason?.includes('ECONNREFUSED') ?? false);
    const reason = expect.stringMatching(/^the broker cannot be reached \(publish\): .*ECONNREFUSED/) as string;
    expect(await broker.health()).toEqual({ up: false, reason, obstacle: reason, consumers: { acme: 0 } });
    await broker.stop(1_000);

    broker = newBroker();
    await broker.start();
    await broker.consume('acme', 1, inbox.handler);
    await node.start();
    await eventually(() => inbox.done.length === 1, RECONNECT_DEADLINE_MS);
    expect((await broker.health()).up).toBe(true);
  });

  it('delivers what was sent while it was stopped', async () => {
    await broker.start();
    await broker.consume('acme', 2, inbox.handler);
    await eventually(async () => (await broker.health()).up, RECONNECT_DEADLINE_MS);
    await node.stop();
    await eventually(async () => !(await broker.health()).up, RECONNECT_DEADLINE_MS);
    await fixture.send(Array<string>(50).fill('acme'));
    await node.start();
    await eventually(async () => inbox.done.length >= 50 && (await fixture.outboxCount()) === 0, RECONNECT_DEADLINE_MS);
    expect(new Set(inbox.done.map(({ messageId }) => messageId)).size).toBe(50);
  });

  it('loses nothing that was in its queues when it is killed', async () => {
    await broker.start();
    await broker.consume('acme', 0, inbox.handler);
    await fixture.send(Array<string>(50).fill('acme'));
    await eventually(async () => (await fixture.outboxCount()) === 0);
    await node.kill();
    await node.start();
    await broker.consume('acme', 2, inbox.handler);
    await eventually(() => inbox.done.length >= 50, RECONNECT_DEADLINE_MS);
    expect(new Set(inbox.done.map(({ messageId }) => messageId)).size).toBe(50);
  });

  it('waits while a memory alarm blocks publishing, says so, and goes on consuming meanwhile', async () => {
    await broker.start();
    await broker.consume('acme', 0, inbox.handler);
    await fixture.send(['acme', 'acme']);
    await eventually(async () => (await fixture.outboxCount()) === 0);
    await node.control('set_vm_memory_high_watermark', 'absolute', '1');
    await fixture.send(['acme']);
    await eventually(
      async () => (await broker.health()).reason?.startsWith('the broker blocks publishers') ?? false,
      RECONNECT_DEADLINE_MS,
    );
    await broker.consume('acme', 1, inbox.handler);
    await eventually(() => inbox.done.length === 2);
    expect(await fixture.outboxCount()).toBe(1);
    await node.control('set_vm_memory_high_watermark', '0.4');
    await eventually(async () => inbox.done.length >= 3 && (await fixture.outboxCount()) === 0, RECONNECT_DEADLINE_MS);
  });

  it('stops within its deadline while an alarm blocks publishing, and does not connect again', async () => {
    const wire = await new Wire(node.url).open();
    broker = newBroker(wire.url);
    await broker.start();
    await eventually(async () => (await broker.health()).up, RECONNECT_DEADLINE_MS);
    await node.control('set_vm_memory_high_watermark', 'absolute', '1');
    await fixture.send(['acme']);
    await eventually(async () => !(await broker.health()).up, RECONNECT_DEADLINE_MS);
    const stoppedAt = performance.now();
    await broker.stop(500);
    expect(performance.now() - stoppedAt).toBeLessThan(4_000);
    // A further connection would come after a second.
    await expect(eventually(() => wire.connections > CONNECTIONS, 2_500)).rejects.toThrow('Waited');
    await node.control('set_vm_memory_high_watermark', '0.4');
    await wire.close();
  });
});
