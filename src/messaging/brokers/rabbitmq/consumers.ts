import { Logger } from '@nestjs/common';
import type { Channel, ConfirmChannel } from 'amqplib';
import type { MessageHandler } from '../../broker';
import { describe } from '../../delivery';
import { RabbitConnection } from './connection';
import { declareAlone } from './declaring';
import { Consumer } from './consumer';
import type { Serving } from './serving';
import type { Topology } from './topology';

/** AMQP 0-9-1: not-found. */
const QUEUE_NOT_FOUND = 404;

interface VendorQueue {
  vendorId: string;
  /** How many consumers there shall be. */
  wanted: number;
  handler: MessageHandler;
  consumers: Consumer[];
  /** The channel on whose connection the queue is known to exist. */
  declaredFor: ConfirmChannel | undefined;
  /** Why the queue cannot be consumed. */
  fault: string | undefined;
}

/**
 * How many consumers each vendor's queue shall have, and the one step that makes it so (`reconcile`), whatever came
 * between: a first connection, another one, a queue that was deleted, another number. Consumers are never registered
 * with the connection library, so one that was cancelled does not come back with the next connection.
 */
export class Consumers {
  readonly connection: RabbitConnection;
  private readonly logger = new Logger('RabbitMQ consume');
  private readonly queues = new Map<string, VendorQueue>();
  /** Cancelled, with a message still in hand. */
  private readonly retired = new Set<Consumer>();
  private declaredFor: ConfirmChannel | undefined;
  private sharedFault: string | undefined;
  private reconciling: Promise<void> = Promise.resolve();
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
      opened: () => void this.reconcile(),
      closed: () => this.all().forEach((consumer) => consumer.lost()),
    });
  }

  consume(vendorId: string, wanted: number, handler: MessageHandler): Promise<void> {
    const queue = this.queues.get(vendorId) ?? {
      vendorId,
      wanted,
      handler,
      consumers: [],
      declaredFor: undefined,
      fault: undefined,
    };
    this.queues.set(vendorId, Object.assign(queue, { wanted, handler }));
    return this.reconcile();
  }

  /** Lets go of the vendor's queue, and deletes it if that leaves nobody there and nothing in it. Answers whether it is gone. */
  async remove(vendorId: string): Promise<boolean> {
    const queue = this.queues.get(vendorId);
    if (queue) await this.consume(vendorId, 0, queue.handler);
    this.queues.delete(vendorId);
    try {
      return await this.connection.onTemporaryChannel((temporary) => this.deleteIfAbandoned(temporary, vendorId));
    } catch (error) {
      return (error as { code?: number }).code === QUEUE_NOT_FOUND;
    }
  }

  /** Makes what is what shall be, as far as the broker lets us. Never rejects; one at a time. */
  reconcile(): Promise<void> {
    this.reconciling = this.reconciling.then(() => this.reconcileOnce());
    return this.reconciling;
  }

  /** Whether some queue has fewer consumers, by the broker's own count, than we believe to hold open on it. */
  async missesSomeAtBroker(): Promise<boolean> {
    const expected = [...this.queues.keys()].filter((vendorId) => this.openConsumers(vendorId) > 0);
    if (expected.length === 0) return false;
    try {
      return await this.connection.onTemporaryChannel(async (temporary) => {
        for (const vendorId of expected) {
          const { consumerCount } = await temporary.checkQueue(this.topology.queueOf(vendorId));
          if (consumerCount < this.openConsumers(vendorId)) return true;
        }
        return false;
      });
    } catch {
      // A queue is missing, or the connection.
      return true;
    }
  }

  /** Messages in the vendor's queue that no consumer has; undefined where the broker does not answer. */
  async waiting(vendorId: string): Promise<number | undefined> {
    const count = (temporary: Channel) => temporary.checkQueue(this.topology.queueOf(vendorId));
    try {
      return (await this.connection.onTemporaryChannel(count)).messageCount;
    } catch (error) {
      return (error as { code?: number }).code === QUEUE_NOT_FOUND ? 0 : undefined;
    }
  }

  openConsumers(vendorId: string): number {
    const { channel } = this.connection;
    const consumers = this.queues.get(vendorId)?.consumers ?? [];
    return channel === undefined ? 0 : consumers.filter((consumer) => consumer.isOpenOn(channel)).length;
  }

  counts(): Record<string, number> {
    return Object.fromEntries([...this.queues.keys()].map((vendorId) => [vendorId, this.openConsumers(vendorId)]));
  }

  /** Undefined when every consumer that shall be is there, else why not. */
  get fault(): string | undefined {
    const queues = [...this.queues.values()];
    return (
      this.connection.fault ??
      this.sharedFault ??
      queues.find(({ fault }) => fault !== undefined)?.fault ??
      queues
        .filter(({ vendorId, wanted }) => this.openConsumers(vendorId) < wanted)
        .map(
          ({ vendorId, wanted }) => `vendor ${vendorId} has ${this.openConsumers(vendorId)} of ${wanted} consumers`,
        )[0]
    );
  }

  /** Cancels every consumer and resolves when the handlers at work have ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    const stopped = this.all().map((consumer) => consumer.stop());
    await this.reconciling;
    await Promise.all([...stopped, ...this.all().map((consumer) => consumer.stop())]);
  }

  private async reconcileOnce(): Promise<void> {
    const { channel } = this.connection;
    if (channel === undefined || this.stopping) return;
    if (!(await this.declareShared(channel))) return;
    await Promise.all([...this.queues.values()].map((queue) => this.adjust(queue, channel)));
  }

  private async declareShared(channel: ConfirmChannel): Promise<boolean> {
    if (this.declaredFor === channel) return true;
    try {
      await declareAlone(this.connection, this.topology.dead, (temporary) => this.topology.declareShared(temporary));
      this.declaredFor = channel;
      this.sharedFault = undefined;
      return true;
    } catch (error) {
      this.sharedFault = this.told(this.sharedFault, `exchanges and dead-letter queue: ${describe(error)}`);
      return false;
    }
  }

  private async adjust(queue: VendorQueue, channel: ConfirmChannel): Promise<void> {
    await this.retireSurplus(queue);
    const closed = queue.consumers.filter((consumer) => !consumer.isOpenOn(channel));
    const complete = closed.length === 0 && queue.consumers.length === queue.wanted;
    if (complete && queue.declaredFor === channel) return;
    try {
      // Declared where a refusal closes nothing else: on the consumers' own channel it would be a reconnect loop.
      await declareAlone(this.connection, this.topology.queueOf(queue.vendorId), (temporary) =>
        this.topology.declareQueue(temporary, queue.vendorId),
      );
      queue.declaredFor = channel;
      this.declared(queue.vendorId);
      for (const consumer of closed) await consumer.open(channel);
      while (queue.consumers.length < queue.wanted) await this.add(queue, channel);
      queue.fault = undefined;
    } catch (error) {
      queue.fault = this.told(queue.fault, `queue ${this.topology.queueOf(queue.vendorId)}: ${describe(error)}`);
    }
  }

  private async add(queue: VendorQueue, channel: ConfirmChannel): Promise<void> {
    const consumer = new Consumer(this.topology.queueOf(queue.vendorId), (delivery, signal) =>
      this.serving.serve(delivery, queue.vendorId, queue.handler, signal),
    );
    queue.consumers.push(consumer);
    await consumer.open(channel);
  }

  /**
   * Not by the broker's own "if empty, if unused", which it refuses for quorum queues. Whoever publishes between our look
   * and the deletion loses a message, not an order: the sweeper sends it again.
   */
  private async deleteIfAbandoned(temporary: Channel, vendorId: string): Promise<boolean> {
    const name = this.topology.queueOf(vendorId);
    const { messageCount, consumerCount } = await temporary.checkQueue(name);
    if (messageCount > 0 || consumerCount > 0) return false;
    await temporary.deleteQueue(name);
    this.logger.log(`Queue ${name} is removed: its vendor is disabled and has no open orders`);
    return true;
  }

  private async retireSurplus(queue: VendorQueue): Promise<void> {
    while (queue.consumers.length > queue.wanted) {
      const consumer = queue.consumers.find(({ idle }) => idle) ?? queue.consumers[0]!;
      queue.consumers.splice(queue.consumers.indexOf(consumer), 1);
      this.retired.add(consumer);
      await consumer.cancel();
    }
    for (const consumer of this.retired) if (consumer.idle) this.retired.delete(consumer);
  }

  private all(): Consumer[] {
    return [...[...this.queues.values()].flatMap(({ consumers }) => consumers), ...this.retired];
  }

  /** An error that stays is logged once. */
  private told(before: string | undefined, fault: string): string {
    if (before !== fault) this.logger.error(`Not consuming: ${fault}`);
    return fault;
  }
}
