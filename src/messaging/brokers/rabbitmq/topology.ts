import type { Channel } from 'amqplib';

/**
 * The names and declarations of everything we have at the broker. A queue's arguments are kept to its type and its
 * dead-letter exchange: the broker refuses a declaration with others than the queue has, and changing them means a queue
 * under a new name, never "delete and declare again", which drops its messages.
 */
export class Topology {
  readonly orders: string;
  readonly dead: string;

  constructor(private readonly prefix: string) {
    this.orders = `${prefix}.orders`;
    this.dead = `${prefix}.dead`;
  }

  queueOf(vendorId: string): string {
    return `${this.prefix}.orders.${vendorId}`;
  }

  /** Rejects if one of them exists and is something else (406). */
  async declareShared(channel: Channel): Promise<void> {
    await channel.assertExchange(this.orders, 'direct', { durable: true });
    await channel.assertExchange(this.dead, 'fanout', { durable: true });
    await channel.assertQueue(this.dead, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    await channel.bindQueue(this.dead, this.dead, '');
  }

  /** Rejects if the queue exists with other arguments (406). */
  async declareQueue(channel: Channel, vendorId: string): Promise<void> {
    await channel.assertQueue(this.queueOf(vendorId), {
      durable: true,
      arguments: { 'x-queue-type': 'quorum', 'x-dead-letter-exchange': this.dead },
    });
    await channel.bindQueue(this.queueOf(vendorId), this.orders, vendorId);
  }
}
