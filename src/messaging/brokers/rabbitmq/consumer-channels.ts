import type { Channel } from 'amqplib';
import type { RabbitConnection } from './connection';

/**
 * Brokers bound the consumers of a channel (Amazon MQ: 1,000), and a channel works through its deliveries one by one: with
 * 100 each, 8,000 consumers stand on 80 of the 2,047 channels that RabbitMQ allows a connection.
 */
export const CONSUMERS_PER_CHANNEL_MAX = 100;

/** Spreads consumers over channels of one connection, each channel with prefetch 1: a message in hand for each consumer. */
export class ConsumerChannels {
  private readonly consumers = new Map<Channel, number>();
  private opening: Promise<unknown> = Promise.resolve();

  constructor(private readonly connection: RabbitConnection) {}

  /** A channel with room, and a place on it. Rejects where none can be opened. */
  place(): Promise<Channel> {
    const placed = this.opening.then(async () => {
      const channel = this.withRoom() ?? (await this.connection.openChannel());
      this.consumers.set(channel, (this.consumers.get(channel) ?? 0) + 1);
      return channel;
    });
    this.opening = placed.catch(() => undefined);
    return placed;
  }

  leave(channel: Channel): void {
    const consumers = this.consumers.get(channel);
    if (consumers !== undefined) this.consumers.set(channel, consumers - 1);
  }

  /** The connection is gone, and all of them with it. */
  forget(): void {
    this.consumers.clear();
  }

  get count(): number {
    return this.consumers.size;
  }

  private withRoom(): Channel | undefined {
    for (const [channel, consumers] of this.consumers) if (consumers < CONSUMERS_PER_CHANNEL_MAX) return channel;
    return undefined;
  }
}
