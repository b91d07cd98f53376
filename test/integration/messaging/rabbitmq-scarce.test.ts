import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import { RabbitmqBroker } from '../../../src/messaging/brokers/rabbitmq/rabbitmq.broker';
import { canStartBroker, type PrivateBroker, privateBroker } from '../../support/rabbitmq';
import { eventually, Inbox, MessagingFixture } from './messaging-fixture';

const SUITE_TIMEOUT_MS = 300_000;
/** RabbitMQ 3.10 keeps a hundred of these for itself; the rest is enough for some thirty queues. */
const DESCRIPTORS_FEW = 200;
const DESCRIPTORS_ENOUGH = 1_000;
const VENDORS = Array.from({ length: 50 }, (_, index) => `vendor-${index}`);
/** A declaration without an answer is told of after five seconds. */
const TOLD_MS_MAX = 90_000;
/** Readiness, a log line: of one screen. */
const SENTENCE_LENGTH_MAX = 600;

jest.setTimeout(SUITE_TIMEOUT_MS);

(canStartBroker() ? describe : describe.skip)('a RabbitMQ with few file descriptors', () => {
  const fixture = new MessagingFixture();
  let node: PrivateBroker;
  let broker: RabbitmqBroker;
  let inbox: Inbox;

  beforeAll(() => fixture.open());
  afterAll(() => fixture.close());
  beforeEach(async () => {
    await fixture.clear();
    inbox = new Inbox();
    node = await privateBroker({ started: false });
    node.descriptorsMax = DESCRIPTORS_FEW;
    await node.start();
    const { dataSource, outbox, repository, deadLetters, vitals } = fixture;
    broker = new RabbitmqBroker({
      dataSource,
      outbox,
      repository,
      deadLetters,
      vitals,
      url: node.url,
      prefix: 'holdfast',
      isTransient,
    });
    await broker.start();
  });
  afterEach(async () => {
    await broker.stop(0);
    await node.remove();
    fixture.expectNothingEscaped();
  });

  const consumed = async () => Object.values((await broker.health()).consumers).filter((count) => count > 0).length;

  it('says in one sentence which vendors have no queue, why, and what to raise, and loses none of their messages', async () => {
    const asked = Promise.all(VENDORS.map((vendorId) => broker.consume(vendorId, 1, inbox.handler)));
    const sent = await fixture.send(VENDORS);
    await eventually(async () => (await broker.health()).obstacle?.includes('file descriptors') ?? false, TOLD_MS_MAX);
    await asked;
    const { up, obstacle, lacking } = await broker.health();
    expect(up).toBe(false);
    expect(obstacle).toMatch(
      /^no queue for \d+ vendors: vendor-\d+, vendor-\d+, vendor-\d+ and \d+ more \(the broker has not answered the declaration for \d+ s, .*ulimit -n/,
    );
    expect(obstacle!.length).toBeLessThan(SENTENCE_LENGTH_MAX);
    expect(lacking).toBe(VENDORS.length - (await consumed()));
    expect(await consumed()).toBeGreaterThan(10);
    // The vendors with a queue are served all the same, and what the others wait for is in the outbox.
    await eventually(async () => inbox.done.length === (await consumed()), TOLD_MS_MAX);
    await eventually(async () => (await fixture.outboxCount()) === VENDORS.length - inbox.done.length);

    // Asked to stop, it would wait for what it cannot open.
    await node.kill();
    node.descriptorsMax = DESCRIPTORS_ENOUGH;
    await node.start();
    await eventually(() => inbox.done.length >= sent.length, TOLD_MS_MAX);
    expect(new Set(inbox.done.map(({ messageId }) => messageId))).toEqual(
      new Set(sent.map(({ messageId }) => messageId)),
    );
    await eventually(async () => (await broker.health()).up, TOLD_MS_MAX);
  });

  it('gives the queues of vendors that are let go of to those that wait', async () => {
    const first = VENDORS.slice(0, 25);
    const others = VENDORS.slice(25);
    await Promise.all(first.map((vendorId) => broker.consume(vendorId, 1, inbox.handler)));
    await eventually(async () => (await consumed()) === first.length, TOLD_MS_MAX);
    void others.map((vendorId) => broker.consume(vendorId, 1, inbox.handler));
    await fixture.send(others);
    await eventually(async () => ((await broker.health()).lacking ?? 0) > 0, TOLD_MS_MAX);
    for (const vendorId of first) expect(await broker.remove(vendorId)).toBe(true);
    await eventually(() => inbox.done.length === others.length, TOLD_MS_MAX);
  });

  it('stops at once though declarations have no answer', async () => {
    void VENDORS.map((vendorId) => broker.consume(vendorId, 1, inbox.handler));
    await eventually(async () => ((await broker.health()).lacking ?? 0) > 0, TOLD_MS_MAX);
    const startedAt = performance.now();
    await broker.stop(15_000);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  });
});
