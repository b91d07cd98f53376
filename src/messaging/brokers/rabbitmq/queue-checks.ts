import { Logger } from '@nestjs/common';
import { settledWithin } from '../../../lifecycle/settled-within';
import { CHECK_MS_MAX, type RabbitConnection } from './connection';
import type { Topology } from './topology';

/** AMQP 0-9-1: not-found. */
const QUEUE_NOT_FOUND = 404;

/** What the broker says of vendors' queues. Nobody waits longer than five seconds for it. */
export class QueueChecks {
  private readonly logger = new Logger('RabbitMQ queues');

  constructor(
    private readonly connection: RabbitConnection,
    private readonly topology: Topology,
  ) {}

  /** Messages in the queue that no consumer has; undefined where the broker does not answer. */
  async waiting(vendorId: string): Promise<number | undefined> {
    try {
      const queue = await this.connection.onTemporaryChannel(
        (temporary) => temporary.checkQueue(this.topology.queueOf(vendorId)),
        CHECK_MS_MAX,
      );
      return queue.messageCount;
    } catch (error) {
      return isNotFound(error) ? 0 : undefined;
    }
  }

  /** Whether some queue has fewer consumers than we hold open on it, counted again when the broker has answered. */
  async missAnyOf(queues: readonly { vendorId: string; open: number }[]): Promise<boolean> {
    const look = this.connection.onTemporaryChannel(async (temporary) => {
      for (const queue of queues) {
        const { open } = queue;
        const { consumerCount } = await temporary.checkQueue(this.topology.queueOf(queue.vendorId));
        if (consumerCount < Math.min(open, queue.open)) return true;
      }
      return false;
    });
    // A broker that is busy has dropped nobody, and connecting anew would give it more to do.
    if (!(await settledWithin(CHECK_MS_MAX, look))) return false;
    // Rejects where a queue is missing, or the connection.
    return look.catch(() => true);
  }

  /**
   * Deletes a queue that nobody consumes and nothing is in. Answers whether it is gone. Not by the broker's own "if empty,
   * if unused", which it refuses for quorum queues. Whoever publishes between our look and the deletion loses a message,
   * not an order: the sweeper sends it again.
   */
  async deleteIfAbandoned(vendorId: string): Promise<boolean> {
    const name = this.topology.queueOf(vendorId);
    try {
      return await this.connection.onTemporaryChannel(async (temporary) => {
        const { messageCount, consumerCount } = await temporary.checkQueue(name);
        if (messageCount > 0 || consumerCount > 0) return false;
        const lost = (await temporary.deleteQueue(name)).messageCount;
        if (lost > 0)
          this.logger.warn({ vendorId }, `${lost} messages came while ${name} was removed; they are sent again`);
        return true;
      }, CHECK_MS_MAX);
    } catch (error) {
      return isNotFound(error);
    }
  }
}

function isNotFound(error: unknown): boolean {
  return (error as { code?: number }).code === QUEUE_NOT_FOUND;
}
