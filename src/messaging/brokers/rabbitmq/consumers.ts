import { Logger } from '@nestjs/common';
import type { Channel, ConfirmChannel } from 'amqplib';
import { settledWithin } from '../../../lifecycle/settled-within';
import type { MessageHandler } from '../../broker';
import { describe } from '../../delivery';
import { RabbitConnection } from './connection';
import { Consumer } from './consumer';
import { ConsumerChannels } from './consumer-channels';
import { declareAlone } from './declaring';
import { Pacing, PATIENCE_MS } from './pacing';
import { type QueueFault, refused, reportOf } from './queue-faults';
import { QueueChecks } from './queue-checks';
import type { Serving } from './serving';
import type { Topology } from './topology';
import { VendorQueue } from './vendor-queue';

/** Queues that one look of the watchdog asks the broker about; it comes round to each of 1,000 in 20 s. */
const CHECKED_MAX = 100;

/**
 * How many consumers each vendor's queue shall have, and the one step that makes it so (`reconcile`), whatever came
 * between: a first connection, another one, a queue that was deleted, another number. Consumers are never registered
 * with the connection library, so one that was cancelled does not come back with the next connection. What a queue lacks
 * costs only itself: a change touches no other queue, and one that has no answer holds up none.
 */
export class Consumers {
  readonly connection: RabbitConnection;
  private readonly logger = new Logger('RabbitMQ consume');
  private readonly queues = new Map<string, VendorQueue>();
  /** Cancelled, with a message still in hand. */
  private readonly retired = new Set<Consumer>();
  private readonly channels: ConsumerChannels;
  private readonly places = new Map<Consumer, Channel>();
  private readonly checks: QueueChecks;
  private readonly pacing = new Pacing();
  private shared: { channel: ConfirmChannel; declared: Promise<void> } | undefined;
  private sharedFault: string | undefined;
  /** Where the watchdog's next look begins. */
  private checked = 0;
  private stopping = false;

  constructor(
    url: string,
    private readonly topology: Topology,
    private readonly serving: Serving,
    /** Told each time a vendor's queue is known to be there. */
    private readonly declared: (vendorId: string) => void = () => undefined,
  ) {
    this.connection = new RabbitConnection({
      url,
      purpose: 'consume',
      opened: () => this.connected(),
      closed: () => this.disconnected(),
    });
    this.channels = new ConsumerChannels(this.connection);
    this.checks = new QueueChecks(this.connection, topology);
  }

  /** Resolves when it is so, or is about to be: after five seconds at most. Never rejects. */
  consume(vendorId: string, wanted: number, handler: MessageHandler): Promise<void> {
    const queue = this.queues.get(vendorId) ?? new VendorQueue(vendorId, wanted, handler);
    this.queues.set(vendorId, Object.assign(queue, { wanted, handler }));
    queue.forgive();
    return this.change(queue);
  }

  /** Lets go of the vendor's queue, and deletes it if that leaves nobody there and nothing in it. Answers whether it is gone. */
  async remove(vendorId: string): Promise<boolean> {
    const queue = this.queues.get(vendorId);
    if (queue) {
      queue.wanted = 0;
      await this.retireSurplus(queue);
    }
    this.queues.delete(vendorId);
    return this.checks.deleteIfAbandoned(vendorId);
  }

  /** Their messages found no queue: they come before others that have to be declared. */
  hasten(vendorIds: ReadonlySet<string>): void {
    this.pacing.hasten(vendorIds);
  }

  /** Makes what is what shall be, as far as the broker lets us, within five seconds. Never rejects. */
  async reconcile(): Promise<void> {
    const { channel } = this.connection;
    if (channel === undefined || this.stopping) return;
    this.forgetRetired();
    const lacking = [...this.queues.values()].filter(
      (queue) => queue.changes === 0 && queue.mayBeAsked && !queue.isCompleteOn(channel),
    );
    await Promise.all(lacking.map((queue) => this.change(queue)));
  }

  /** Whether some queue has fewer consumers, by the broker's own count, than we believe to hold open on it. */
  async missesSomeAtBroker(): Promise<boolean> {
    const expected = [...this.queues.values()].filter(({ open }) => open > 0);
    if (expected.length === 0) return false;
    const from = this.checked % expected.length;
    const asked = [...expected.slice(from), ...expected.slice(0, from)].slice(0, CHECKED_MAX);
    const missing = await this.checks.missAnyOf(asked);
    // What is missing is asked about again: twice in a row is what counts.
    if (!missing) this.checked = from + asked.length;
    return missing;
  }

  /** Messages in the vendor's queue that no consumer has; undefined where the broker does not answer. */
  waiting(vendorId: string): Promise<number | undefined> {
    return this.checks.waiting(vendorId);
  }

  counts(): Record<string, number> {
    return Object.fromEntries([...this.queues.values()].map(({ vendorId, open }) => [vendorId, open]));
  }

  /** Why no queue at all can be consumed. */
  get fault(): string | undefined {
    return this.connection.fault ?? this.sharedFault;
  }

  /** What single queues lack, and for how long. */
  lacking(): { fault: QueueFault; forMs: number }[] {
    const { channel } = this.connection;
    if (channel === undefined) return [];
    return [...this.queues.values()].flatMap((queue) => queue.lacking(channel) ?? []);
  }

  /** What is wrong for longer than declaring a queue takes, in one bounded sentence. */
  lastingFault(): string | undefined {
    return this.fault ?? reportOf(this.lasting());
  }

  lasting(): QueueFault[] {
    return this.lacking().flatMap(({ fault, forMs }) => (forMs > PATIENCE_MS ? fault : []));
  }

  /** Cancels every consumer and resolves when the handlers at work have ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.all().map((consumer) => consumer.stop()));
  }

  private connected(): void {
    for (const queue of this.queues.values()) {
      queue.forgive();
      void this.change(queue);
    }
  }

  private disconnected(): void {
    for (const consumer of this.all()) consumer.lost();
    this.channels.forget();
    this.places.clear();
  }

  /** What is too much goes at once; what is missing comes in its turn. */
  private async change(queue: VendorQueue): Promise<void> {
    await this.retireSurplus(queue);
    const { channel } = this.connection;
    if (channel === undefined || this.stopping || queue.isCompleteOn(channel)) return;
    queue.changes += 1;
    queue.changing = queue.changing
      .then(() => this.pacing.run(queue.vendorId, () => this.complete(queue)))
      .finally(() => (queue.changes -= 1));
    await settledWithin(PATIENCE_MS, queue.changing);
  }

  private async complete(queue: VendorQueue): Promise<void> {
    const { channel } = this.connection;
    const isStillWanted = () =>
      !this.stopping && this.connection.channel === channel && this.queues.get(queue.vendorId) === queue;
    if (channel === undefined || !isStillWanted() || queue.isCompleteOn(channel)) return;
    const name = this.topology.queueOf(queue.vendorId);
    try {
      await this.declareShared(channel);
      // Declared where a refusal closes nothing else: on the consumers' own channel it would be a reconnect loop.
      await declareAlone(this.connection, name, (temporary) => this.topology.declareQueue(temporary, queue.vendorId));
      if (!isStillWanted()) return;
      queue.declaredFor = channel;
      this.declared(queue.vendorId);
      await this.openConsumers(queue);
      queue.answered();
    } catch (error) {
      if (isStillWanted()) queue.refused(refused(queue.vendorId, name, error));
    }
  }

  private declareShared(channel: ConfirmChannel): Promise<void> {
    if (this.shared?.channel === channel) return this.shared.declared;
    const declared = declareAlone(this.connection, this.topology.dead, (temporary) =>
      this.topology.declareShared(temporary),
    ).then(
      () => void (this.sharedFault = undefined),
      (error: unknown) => {
        this.shared = undefined;
        if (this.connection.channel === channel) this.sharedFault = this.told(error);
        throw error;
      },
    );
    this.shared = { channel, declared };
    return declared;
  }

  private async openConsumers(queue: VendorQueue): Promise<void> {
    for (const consumer of queue.consumers) if (consumer.openOn === undefined) await this.open(consumer);
    while (queue.consumers.length < queue.wanted && !this.stopping) {
      const consumer = new Consumer(this.topology.queueOf(queue.vendorId), (delivery, signal) =>
        this.serving.serve(delivery, queue.vendorId, queue.handler, signal),
      );
      queue.consumers.push(consumer);
      await this.open(consumer);
      if (!queue.consumers.includes(consumer)) this.leave(consumer);
    }
    await this.retireSurplus(queue);
  }

  private async open(consumer: Consumer): Promise<void> {
    this.leave(consumer);
    const channel = await this.channels.place();
    this.places.set(consumer, channel);
    await consumer.open(channel);
  }

  private leave(consumer: Consumer): void {
    const channel = this.places.get(consumer);
    if (channel && this.places.delete(consumer)) this.channels.leave(channel);
  }

  private async retireSurplus(queue: VendorQueue): Promise<void> {
    while (queue.consumers.length > queue.wanted) {
      const consumer = queue.consumers.find(({ idle }) => idle) ?? queue.consumers[0]!;
      queue.consumers.splice(queue.consumers.indexOf(consumer), 1);
      this.retired.add(consumer);
      this.leave(consumer);
      await consumer.cancel();
    }
    this.forgetRetired();
  }

  private forgetRetired(): void {
    for (const consumer of this.retired) if (consumer.idle) this.retired.delete(consumer);
  }

  private all(): Consumer[] {
    return [...[...this.queues.values()].flatMap(({ consumers }) => consumers), ...this.retired];
  }

  /** An error that stays is logged once. */
  private told(error: unknown): string {
    const fault = `exchanges and dead-letter queue: ${describe(error)}`;
    if (this.sharedFault !== fault) this.logger.error(`Not consuming: ${fault}`);
    return fault;
  }
}
