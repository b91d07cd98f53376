import type { DataSource } from 'typeorm';
import type { Broker, BrokerHealth, MessageHandler } from '../../broker';
import type { RetryDelayMs } from '../../delivery';
import type { Outbox } from '../../outbox';
import type { OutboxRepository } from '../../outbox.repository';
import { settledWithin } from '../../settled-within';
import { Consumers } from './consumers';
import { Publisher } from './publisher';
import { OutboxRelay } from './relay';
import { Topology } from './topology';
import { Watchdog } from './watchdog';

export interface RabbitmqBrokerOptions {
  dataSource: DataSource;
  outbox: Outbox;
  repository: OutboxRepository;
  url: string;
  /** Of every exchange and queue. */
  prefix: string;
  isTransient: (error: unknown) => boolean;
  retryDelayMs?: RetryDelayMs;
}

/**
 * Relays the outbox to RabbitMQ and consumes a queue per vendor. Two connections, because an alarm at the broker blocks
 * the one that publishes, and consuming is what relieves it. Works with 3.10 to 4.x; what a dead-letter queue cannot
 * take is lost there (dead-lettering is at most once), and found by whoever looks for orders without a message.
 */
export class RabbitmqBroker implements Broker {
  private readonly publisher: Publisher;
  private readonly consumers: Consumers;
  private readonly relay: OutboxRelay;
  private readonly watchdog: Watchdog;

  constructor({ dataSource, outbox, repository, url, prefix, ...judgement }: RabbitmqBrokerOptions) {
    const topology = new Topology(prefix);
    this.publisher = new Publisher(url, topology);
    this.consumers = new Consumers(url, topology, judgement, (vendorId) => this.relay.resume(vendorId));
    this.relay = new OutboxRelay({ dataSource, outbox, repository, publisher: this.publisher });
    this.watchdog = new Watchdog(this.publisher.connection, this.consumers);
  }

  async start(): Promise<void> {
    await Promise.all([this.publisher.connection.start(), this.consumers.connection.start()]);
    this.relay.start();
    this.watchdog.start();
  }

  consume(vendorId: string, consumers: number, handler: MessageHandler): Promise<void> {
    return this.consumers.consume(vendorId, consumers, handler);
  }

  /** The library's own close cancels nobody: the last handlers would be cut off, and new ones begin behind it. */
  async stop(deadlineMs: number): Promise<void> {
    await settledWithin(deadlineMs, Promise.all([this.watchdog.stop(), this.relay.stop(), this.consumers.stop()]));
    await Promise.all([this.publisher.connection.close(), this.consumers.connection.close()]);
  }

  health(): Promise<BrokerHealth> {
    const reason = this.publisher.connection.fault ?? this.consumers.fault;
    return Promise.resolve({ up: reason === undefined, ...(reason && { reason }), consumers: this.consumers.counts() });
  }

  waiting(vendorId: string): Promise<number | undefined> {
    return this.consumers.waiting(vendorId);
  }
}
