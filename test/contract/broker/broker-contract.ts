import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { type Broker, UnreadableMessage } from '../../../src/messaging/broker';
import type { Message } from '../../../src/messaging/message';
import { MessageMetrics } from '../../../src/messaging/message-metrics';
import { VendorSeries } from '../../../src/observability/metrics/vendor-series';
import { settledWithin } from '../../../src/lifecycle/settled-within';
import { parseMetrics, valueOf } from '../../support/metrics';
import { eventually, Inbox, MessagingFixture, signal } from '../../integration/messaging/messaging-fixture';

/** One kind of broker, over the outbox of one test. */
export interface Transport {
  /** Another broker over the same outbox and the same queues, not started. */
  broker(options: { retryDelayMs: () => number; metrics?: MessageMetrics }): Broker;
  /** The same for a process of its own. */
  environment: Record<string, string>;
  remove(): Promise<void>;
}

/** How a message of a killed process comes back: after its lease, or when the broker notices. */
const REDELIVERY_DEADLINE_MS = 15_000;
const LONG_STOP_MS = 10_000;
const RETRY_DELAY_MS = 5;

/** What every implementation of `Broker` keeps, one suite for all of them. */
export function brokerContract(open: (fixture: MessagingFixture) => Promise<Transport>): void {
  const fixture = new MessagingFixture();
  let transport: Transport;
  let brokers: Broker[];
  let registry: Registry;
  let metrics: MessageMetrics;

  beforeAll(() => fixture.open());
  afterAll(() => fixture.close());
  beforeEach(async () => {
    await fixture.clear();
    transport = await open(fixture);
    brokers = [];
    registry = new Registry();
    metrics = new MessageMetrics(registry, new VendorSeries());
  });
  afterEach(async () => {
    await Promise.all(brokers.map((broker) => broker.stop(0)));
    await transport.remove();
    fixture.expectNothingEscaped();
  });

  async function started(retryDelayMs = RETRY_DELAY_MS): Promise<Broker> {
    const broker = transport.broker({ retryDelayMs: () => retryDelayMs, metrics });
    brokers.push(broker);
    await broker.start();
    return broker;
  }

  describe('when nothing fails', () => {
    it('delivers each message once, as it was sent', async () => {
      const broker = await started();
      const inbox = new Inbox();
      for (const vendorId of ['acme', 'globex', 'initech']) await broker.consume(vendorId, 2, inbox.handler);
      const sent = await fixture.send(
        ['acme', 'globex', 'initech'].flatMap((vendorId) => Array<string>(40).fill(vendorId)),
      );
      await eventually(async () => inbox.done.length >= sent.length && (await fixture.outboxCount()) === 0);
      const byId = (a: Message, b: Message) => (a.messageId < b.messageId ? -1 : 1);
      expect(inbox.done.toSorted(byId)).toEqual(sent.toSorted(byId));
      expect(await fixture.buried()).toEqual([]);
    });

    it('keeps trace context and attempt', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      await fixture.enqueue([{ ...fixture.message('acme'), traceparent, attempt: 7 }]);
      await eventually(() => inbox.done.length === 1);
      expect(inbox.done[0]).toMatchObject({ traceparent, attempt: 7 });
    });

    it('knows how long a message has waited since it was due', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      await fixture.enqueue([{ ...fixture.message('acme'), delayMs: -5000 }]);
      await eventually(() => inbox.done.length === 1);
      const told = parseMetrics(await registry.metrics());
      const waited = valueOf(told, 'holdfast_message_wait_seconds_sum', { vendor: 'acme' });
      expect(waited).toBeGreaterThanOrEqual(5);
      expect(waited).toBeLessThan(10);
    });

    it('does not deliver a message before its time', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      const [later, now] = [fixture.message('acme'), fixture.message('acme')];
      const sentAt = performance.now();
      await fixture.enqueue([{ ...later, delayMs: 600 }, now]);
      await eventually(() => inbox.done.length === 1);
      expect(inbox.done[0]!.messageId).toBe(now.messageId);
      await eventually(() => inbox.done.length === 2);
      expect(performance.now() - sentAt).toBeGreaterThanOrEqual(600);
      expect(inbox.done[1]!.messageId).toBe(later.messageId);
    });

    it('delivers what was sent while no broker was running', async () => {
      const sent = await fixture.send(['acme', 'acme', 'acme']);
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      await eventually(() => inbox.done.length === sent.length);
    });

    it('takes nothing more of a vendor that was removed, until somebody consumes again', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 2, inbox.handler);
      await eventually(async () => (await broker.health()).up);
      expect(await broker.remove('acme')).toBe(true);
      expect(await broker.health()).toEqual({ up: true, consumers: {} });
      await fixture.send(['acme', 'other']);
      await broker.consume('other', 1, inbox.handler);
      await eventually(() => inbox.done.length === 1);
      expect(inbox.done[0]!.vendorId).toBe('other');
      await broker.consume('acme', 1, inbox.handler);
      await eventually(() => inbox.done.length === 2);
    });

    it('reports its consumers and that it is up', async () => {
      const broker = await started();
      await broker.consume('acme', 2, () => Promise.resolve());
      await eventually(async () => (await broker.health()).up);
      expect(await broker.health()).toEqual({ up: true, consumers: { acme: 2 } });
    });
  });

  describe('consumers', () => {
    it('have one message in hand each, and never more', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 3, inbox.handlerTaking(5));
      await fixture.send(Array<string>(40).fill('acme'));
      await eventually(() => inbox.done.length === 40);
      expect(inbox.atWorkMax).toBe(3);
    });

    it('leave what they have no hand free for to other workers', async () => {
      const busy = await started();
      const [inbox, other] = [new Inbox(), new Inbox()];
      const release = signal();
      await busy.consume('acme', 2, inbox.handlerUntil(release));
      await fixture.send(Array<string>(10).fill('acme'));
      await eventually(() => inbox.atWork === 2);
      const idle = await started();
      await idle.consume('acme', 1, other.handler);
      await eventually(() => other.done.length === 8);
      expect(inbox.started).toHaveLength(2);
      release.resolve();
    });

    it('of a vendor that hangs delay no other vendor', async () => {
      const broker = await started();
      const hanging = new Inbox();
      const working = new Inbox();
      const release = signal();
      await broker.consume('hanging', 2, hanging.handlerUntil(release));
      await broker.consume('working', 2, working.handler);
      await fixture.send(Array<string>(100).fill('hanging'));
      await fixture.send(Array<string>(20).fill('working'));
      await eventually(() => working.done.length === 20);
      expect(hanging.started).toHaveLength(2);
      expect(hanging.done).toHaveLength(0);
      release.resolve();
    });

    it('become more and fewer when asked', async () => {
      const broker = await started();
      const inbox = new Inbox();
      const [first, second] = [signal(), signal()];
      await fixture.send(Array<string>(30).fill('acme'));
      await broker.consume('acme', 1, inbox.handlerUntil(first));
      await eventually(() => inbox.atWork === 1);
      await broker.consume('acme', 3, inbox.handlerUntil(first));
      await eventually(() => inbox.atWork === 3);
      expect(inbox.atWorkMax).toBe(3);

      await broker.consume('acme', 1, inbox.handlerUntil(second));
      first.resolve();
      await eventually(() => inbox.done.length === 3 && inbox.atWork === 1);
      inbox.atWorkMax = 0;
      await broker.consume('acme', 1, inbox.handlerTaking(2));
      second.resolve();
      await eventually(() => inbox.done.length === 30);
      expect(inbox.atWorkMax).toBe(1);
    });

    it('can be none, and then nothing is delivered until there are some again', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      await broker.consume('acme', 0, inbox.handler);
      const other = new Inbox();
      await broker.consume('other', 1, other.handler);
      await fixture.send(['acme', 'other']);
      await eventually(() => other.done.length === 1);
      expect(inbox.started).toHaveLength(0);
      await broker.consume('acme', 1, inbox.handler);
      await eventually(() => inbox.done.length === 1);
    });
  });

  describe('a handler that fails', () => {
    it('is tried again with the same message, which is not lost', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume(
        'acme',
        1,
        inbox.handlerFailing(2, () => new Error('not yet')),
      );
      const [message] = await fixture.send(['acme']);
      await eventually(async () => inbox.done.length === 1 && (await fixture.outboxCount()) === 0);
      expect(inbox.started).toEqual([message, message, message]);
      expect(await fixture.buried()).toEqual([]);
    });

    it('is tried again for as long as its failure is one that passes', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume(
        'acme',
        1,
        inbox.handlerFailing(12, () => Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })),
      );
      await fixture.send(['acme']);
      await eventually(() => inbox.done.length === 1);
      expect(inbox.started).toHaveLength(13);
      expect(await fixture.buried()).toEqual([]);
    });

    it('has its message dead-lettered when it fails five times for reasons of its own, and the next one is served', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume(
        'acme',
        1,
        inbox.handlerFailing(5, () => new TypeError('a bug')),
      );
      const [poison, next] = await fixture.send(['acme', 'acme']);
      await eventually(async () => inbox.done.length === 1 && (await fixture.buried()).length === 1);
      expect(inbox.started).toEqual([poison, poison, poison, poison, poison, next]);
      expect(inbox.done).toEqual([next]);
      expect(await fixture.buried()).toEqual([deadLetterOf(poison!, 'Handling it failed 5 times: TypeError: a bug')]);
      await eventually(async () => (await fixture.outboxCount()) === 0);
    });

    it('has a message that it cannot read dead-lettered at once, and the next one is served', async () => {
      const broker = await started();
      const inbox = new Inbox();
      await broker.consume(
        'acme',
        1,
        inbox.handlerFailing(1, () => new UnreadableMessage('order.placed.v9')),
      );
      const [poison, next] = await fixture.send(['acme', 'acme']);
      await eventually(async () => inbox.done.length === 1 && (await fixture.buried()).length === 1);
      expect(inbox.started).toEqual([poison, next]);
      expect(await fixture.buried()).toEqual([deadLetterOf(poison!, 'The message cannot be read: order.placed.v9.')]);
      await eventually(async () => (await fixture.outboxCount()) === 0);
    });
  });

  describe('stopping', () => {
    it('lets what is in hand finish, begins nothing new and loses nothing', async () => {
      const first = await started();
      const inbox = new Inbox();
      const release = signal();
      await first.consume('acme', 2, inbox.handlerUntil(release));
      const sent = await fixture.send(Array<string>(6).fill('acme'));
      await eventually(() => inbox.atWork === 2);
      const stopped = first.stop(LONG_STOP_MS);
      expect(await settledWithin(300, stopped)).toBe(false);
      release.resolve();
      await stopped;
      expect(inbox.done).toHaveLength(2);
      expect(inbox.started).toHaveLength(2);

      const second = await started();
      const rest = new Inbox();
      await second.consume('acme', 2, rest.handler);
      await eventually(() => rest.done.length === 4);
      const finished = [...inbox.done, ...rest.done].map(({ messageId }) => messageId);
      expect(finished.toSorted()).toEqual(sent.map(({ messageId }) => messageId).toSorted());
    });

    it('waits no longer than its deadline, and what was not finished goes to somebody else at once', async () => {
      const first = await started();
      const inbox = new Inbox();
      const never = signal();
      await first.consume('acme', 1, inbox.handlerUntil(never));
      const [message] = await fixture.send(['acme']);
      await eventually(() => inbox.atWork === 1);
      const stoppedAt = performance.now();
      await first.stop(200);
      expect(performance.now() - stoppedAt).toBeLessThan(3_000);

      const second = await started();
      const other = new Inbox();
      await second.consume('acme', 1, other.handler);
      // Sooner than a lease would have ended.
      await eventually(() => other.done.length === 1, 4_000);
      expect(other.done).toEqual([message]);
      never.resolve();
    });

    it('does not wait for a message that is between two tries', async () => {
      const first = await started(2 * LONG_STOP_MS);
      const inbox = new Inbox();
      await first.consume(
        'acme',
        1,
        inbox.handlerFailing(Infinity, () => Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })),
      );
      const [message] = await fixture.send(['acme']);
      await eventually(() => inbox.started.length > 0);
      const stoppedAt = performance.now();
      await first.stop(LONG_STOP_MS);
      expect(performance.now() - stoppedAt).toBeLessThan(LONG_STOP_MS / 2);

      const second = await started();
      const other = new Inbox();
      await second.consume('acme', 1, other.handler);
      await eventually(() => other.done.length === 1);
      expect(other.done).toEqual([message]);
    });

    it('before a start or twice does no harm', async () => {
      const broker = transport.broker({ retryDelayMs: () => RETRY_DELAY_MS });
      await broker.stop(100);
      const other = await started();
      await other.stop(100);
      await other.stop(100);
    });
  });

  describe('a process that is killed with a message in hand', () => {
    let victim: ChildProcess | undefined;
    afterEach(() => victim?.kill('SIGKILL'));

    it('loses nothing: somebody else is given the message', async () => {
      victim = fork(join(__dirname, 'victim.ts'), {
        execArgv: [join(__dirname, '../../support/run-typescript.cjs')],
        env: { ...process.env, ...transport.environment, VICTIM_DATABASE_URL: fixture.url },
      });
      const sent = await fixture.send(['acme', 'acme', 'acme']);
      const [inHand] = (await once(victim, 'message')) as [string];
      expect(sent.map(({ messageId }) => messageId)).toContain(inHand);

      const broker = await started();
      const inbox = new Inbox();
      await broker.consume('acme', 1, inbox.handler);
      await eventually(() => inbox.done.length === 2);
      expect(inbox.done.map(({ messageId }) => messageId)).not.toContain(inHand);

      victim.kill('SIGKILL');
      await eventually(() => inbox.done.length === 3, REDELIVERY_DEADLINE_MS);
      expect(inbox.done[2]!.messageId).toBe(inHand);
      await eventually(async () => (await fixture.outboxCount()) === 0);
    });
  });
}

/** What an operator finds of a message, whatever brought it: who, about what, why, and all it said. */
function deadLetterOf({ traceparent: _, ...message }: Message, cause: string): unknown {
  const { vendorId, subject: orderId } = message;
  return { vendorId, orderId, cause, payload: expect.objectContaining(message) };
}
