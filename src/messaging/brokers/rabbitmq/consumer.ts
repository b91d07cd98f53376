import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { Channel, ConsumeMessage } from 'amqplib';
import { describe } from '../../delivery';

/** Deals with a message, and answers whether it may be acknowledged; otherwise it comes again. Never rejects. */
export type Serve = (delivery: ConsumeMessage, signal: AbortSignal) => Promise<boolean>;

/**
 * One consumer of one queue, with at most one message in hand. It outlives its channel: opened again after a reconnect,
 * it finishes the message from before it starts the next, which is often the same one, delivered again.
 */
export class Consumer {
  private readonly logger = new Logger('RabbitMQ consume');
  private readonly tag = randomUUID();
  private channel: Channel | undefined;
  private letGo = new AbortController();
  private work: Promise<void> = Promise.resolve();
  private busy = 0;
  private cancelled = false;

  constructor(
    private readonly queue: string,
    private readonly dealWith: Serve,
  ) {}

  /** Where the broker gives it messages; undefined where it gives none. */
  get openOn(): Channel | undefined {
    return this.channel;
  }

  get idle(): boolean {
    return this.busy === 0;
  }

  async open(channel: Channel): Promise<void> {
    if (this.letGo.signal.aborted) this.letGo = new AbortController();
    const { signal } = this.letGo;
    await channel.consume(this.queue, (message) => this.received(channel, signal, message), { consumerTag: this.tag });
    if (this.cancelled) await channel.cancel(this.tag);
    else if (!signal.aborted) this.channel = channel;
  }

  /** The channel is gone: what is in hand can no longer be settled, and comes again. */
  lost(): void {
    this.channel = undefined;
    this.letGo.abort();
  }

  /** Takes no further message, ever; what is in hand is finished and settled. */
  async cancel(): Promise<void> {
    const channel = this.channel;
    this.channel = undefined;
    this.cancelled = true;
    try {
      await channel?.cancel(this.tag);
    } catch (error) {
      this.logger.debug(`Consumer of ${this.queue} not cancelled, its channel is gone: ${describe(error)}`);
    }
  }

  /** Takes nothing more and waits between no more tries: what fails now stays unsettled, and the broker gives it on. */
  async stop(): Promise<void> {
    this.letGo.abort();
    await this.cancel();
    await this.work;
  }

  private received(channel: Channel, signal: AbortSignal, delivery: ConsumeMessage | null): void {
    if (delivery === null) {
      this.logger.warn(`The broker has cancelled a consumer of ${this.queue}: the queue was deleted or has moved`);
      // The watchdog opens it again. What is in hand stays: it can still be settled.
      this.channel = undefined;
      return;
    }
    this.busy += 1;
    this.work = this.work.then(() => this.serve(channel, signal, delivery)).finally(() => (this.busy -= 1));
  }

  private async serve(channel: Channel, signal: AbortSignal, delivery: ConsumeMessage): Promise<void> {
    if (signal.aborted || !(await this.dealWith(delivery, signal))) return;
    try {
      channel.ack(delivery);
    } catch {
      this.logger.warn(
        { messageId: String(delivery.properties.messageId) },
        `${String(delivery.properties.messageId)} of ${this.queue} was done after its channel had closed; it comes again`,
      );
    }
  }
}
