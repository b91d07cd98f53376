import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import { type MessageHandler, UnreadableMessage } from '../../broker';
import { deliver, describe, type Outcome, type Patience } from '../../delivery';
import { fromWire } from './wire-format';

/**
 * One consumer of one vendor's queue, with at most one message in hand. It outlives its channel: opened again after a
 * reconnect, it finishes the message from before it starts the next, which is often the same one, delivered again.
 */
export class Consumer {
  private readonly logger = new Logger('RabbitMQ consume');
  private readonly tag = randomUUID();
  private channel: ConfirmChannel | undefined;
  private letGo = new AbortController();
  private work: Promise<void> = Promise.resolve();
  private busy = 0;

  constructor(
    private readonly vendorId: string,
    private readonly handler: () => MessageHandler,
    private readonly judgement: Omit<Patience, 'signal'>,
  ) {}

  isOpenOn(channel: ConfirmChannel): boolean {
    return this.channel === channel;
  }

  get idle(): boolean {
    return this.busy === 0;
  }

  async open(channel: ConfirmChannel, queue: string): Promise<void> {
    if (this.letGo.signal.aborted) this.letGo = new AbortController();
    const { signal } = this.letGo;
    await channel.consume(queue, (message) => this.received(channel, signal, message), { consumerTag: this.tag });
    if (!signal.aborted) this.channel = channel;
  }

  /** The channel is gone: what is in hand can no longer be settled, and comes again. */
  lost(): void {
    this.channel = undefined;
    this.letGo.abort();
  }

  /** Takes no further message; what is in hand is finished and settled. */
  async cancel(): Promise<void> {
    const channel = this.channel;
    this.channel = undefined;
    try {
      await channel?.cancel(this.tag);
    } catch (error) {
      this.logger.debug(`Consumer of ${this.vendorId} not cancelled, its channel is gone: ${describe(error)}`);
    }
  }

  /** Takes nothing more and waits between no more tries: what fails now stays unsettled, and the broker gives it on. */
  async stop(): Promise<void> {
    this.letGo.abort();
    await this.cancel();
    await this.work;
  }

  private received(channel: ConfirmChannel, signal: AbortSignal, delivery: ConsumeMessage | null): void {
    if (delivery === null) {
      this.logger.warn(`The broker has cancelled a consumer of ${this.vendorId}: its queue was deleted or has moved`);
      // The watchdog opens it again. What is in hand stays: it can still be settled.
      this.channel = undefined;
      return;
    }
    this.busy += 1;
    this.work = this.work.then(() => this.serve(channel, signal, delivery)).finally(() => (this.busy -= 1));
  }

  private async serve(channel: ConfirmChannel, signal: AbortSignal, delivery: ConsumeMessage): Promise<void> {
    if (signal.aborted) return;
    const outcome = await this.handle(signal, delivery);
    try {
      if (outcome.kind === 'done') channel.ack(delivery);
      // Never requeued: the broker would bring it again at once, for ever.
      if (outcome.kind === 'dead') channel.nack(delivery, false, false);
    } catch {
      this.logger.warn(
        `${String(delivery.properties.messageId)} of ${this.vendorId} was ${outcome.kind} after its channel had closed; it comes again`,
      );
    }
  }

  private async handle(signal: AbortSignal, delivery: ConsumeMessage): Promise<Outcome> {
    const outcome = await this.readAndDeliver(signal, delivery);
    if (outcome.kind === 'dead') {
      const { type, messageId } = delivery.properties as { type: unknown; messageId: unknown };
      this.logger.error(`${String(type)} ${String(messageId)} of ${this.vendorId} is a dead letter: ${outcome.cause}`);
    }
    return outcome;
  }

  private async readAndDeliver(signal: AbortSignal, delivery: ConsumeMessage): Promise<Outcome> {
    try {
      const message = fromWire(delivery, this.vendorId);
      return await deliver(message, this.handler(), { ...this.judgement, signal });
    } catch (error) {
      if (error instanceof UnreadableMessage) return { kind: 'dead', cause: describe(error) };
      this.logger.error(`A message of ${this.vendorId} could not be handled: ${describe(error)}`);
      return { kind: 'interrupted' };
    }
  }
}
