import type { DataSource } from 'typeorm';
import { settledWithin } from '../../../lifecycle/settled-within';
import type { Vitals } from '../../../lifecycle/vitals';
import type { Broker, BrokerHealth, MessageHandler } from '../../broker';
import type { DeadLetterRepository } from '../../dead-letters/dead-letter.repository';
import type { RetryDelayMs } from '../../delivery';
import type { MessageMetrics } from '../../message-metrics';
import type { Outbox } from '../../outbox';
import type { OutboxRepository } from '../../outbox.repository';
import { Burial } from './burial';
import type { RabbitConnection } from './connection';
import { Consumers } from './consumers';
import { DeadLetterDrain } from './dead-letter-drain';
import { reportOf } from './queue-faults';
import { Publisher } from './publisher';
import { OutboxRelay } from './relay';
import { Serving } from './serving';
import { Topology } from './topology';
import { Watchdog } from './watchdog';

export interface RabbitmqBrokerOptions {
  dataSource: DataSource;
  outbox: Outbox;
  repository: OutboxRepository;
  deadLetters: DeadLetterRepository;
  vitals: Vitals;
  url: string;
  /** Of every exchange and queue. */
  prefix: string;
  isTransient: (error: unknown) => boolean;
  retryDelayMs?: RetryDelayMs;
  metrics?: MessageMetrics;
}

/**
 * Relays the outbox to RabbitMQ, consumes a queue per vendor and drains the dead-letter queue. A connection each: an
 * alarm at the broker blocks the one that publishes, and consuming is what relieves it; a dead letter may be huge, and
 * would stand in the way of what lives. Works with 3.10 to 4.x; what the broker dead-letters by itself it may lose (at
 * most once), and that is found by whoever looks for orders without a message.
 */
export class RabbitmqBroker implements Broker {
  private readonly publisher: Publisher;
  private readonly consumers: Consumers;
  private readonly drain: DeadLetterDrain;
  private readonly relay: OutboxRelay;
  private readonly watchdog: Watchdog;

  constructor({
    dataSource,
    outbox,
    repository,
    deadLetters,
    vitals,
    url,
    prefix,
    ...judgement
  }: RabbitmqBrokerOptions) {
    const topology = new Topology(prefix);
    const burial = new Burial(dataSource, deadLetters, judgement.retryDelayMs);
    this.publisher = new Publisher(url, topology);
    this.consumers = new Consumers(url, topology, new Serving(judgement, burial), (vendorId) =>
      this.relay.resume(vendorId),
    );
    this.drain = new DeadLetterDrain(url, topology, burial);
    this.relay = new OutboxRelay({
      dataSource,
      outbox,
      repository,
      publisher: this.publisher,
      vitals,
      unroutable: (vendorIds) => this.consumers.hasten(vendorIds),
    });
    this.watchdog = new Watchdog(this.publisher.connection, this.consumers, this.drain);
  }

  async start(): Promise<void> {
    await Promise.all(this.connections.map((connection) => connection.start()));
    this.relay.start();
    this.watchdog.start();
  }

  consume(vendorId: string, consumers: number, handler: MessageHandler): Promise<void> {
    return this.consumers.consume(vendorId, consumers, handler);
  }

  remove(vendorId: string): Promise<boolean> {
    return this.consumers.remove(vendorId);
  }

  /** The library's own close cancels nobody: the last handlers would be cut off, and new ones begin behind it. */
  async stop(deadlineMs: number): Promise<void> {
    const agents = [this.watchdog, this.relay, this.consumers, this.drain];
    await settledWithin(deadlineMs, Promise.all(agents.map((agent) => agent.stop())));
    await Promise.all(this.connections.map((connection) => connection.close()));
  }

  health(): Promise<BrokerHealth> {
    const fault = this.publisher.connection.fault ?? this.consumers.fault;
    const reason = fault ?? reportOf(this.consumers.lacking().map((each) => each.fault));
    const lasting = this.consumers.lasting();
    const obstacle = fault ?? reportOf(lasting);
    return Promise.resolve({
      up: reason === undefined,
      ...(reason && { reason }),
      ...(obstacle && { obstacle }),
      ...(lasting.length > 0 && { lacking: lasting.length }),
      consumers: this.consumers.counts(),
    });
  }

  waiting(vendorId: string): Promise<number | undefined> {
    return this.consumers.waiting(vendorId);
  }

  private get connections(): RabbitConnection[] {
    return [this.publisher.connection, this.consumers.connection, this.drain.connection];
  }
}
