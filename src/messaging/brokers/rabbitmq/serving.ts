import { Logger } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import { type MessageHandler, UnreadableMessage } from '../../broker';
import { causeOfUnreadable, deliver, describe, type Outcome, type Patience } from '../../delivery';
import type { Burial } from './burial';
import { dueAtMsOf, fromWire } from './wire-format';

/**
 * Serves the messages of vendors' queues. One that is given up is stored as a dead letter and then acknowledged: by way
 * of the broker's own dead-lettering its cause would be lost, and now and then the message.
 */
export class Serving {
  private readonly logger = new Logger('RabbitMQ consume');

  constructor(
    private readonly judgement: Omit<Patience, 'signal'>,
    private readonly burial: Burial,
  ) {}

  /** Answers whether the message is dealt with. Never rejects. */
  async serve(
    delivery: ConsumeMessage,
    vendorId: string,
    handler: MessageHandler,
    signal: AbortSignal,
  ): Promise<boolean> {
    const outcome = await this.readAndDeliver(delivery, vendorId, handler, signal);
    if (outcome.kind !== 'dead') return outcome.kind === 'done';
    const { type, messageId } = delivery.properties as { type: unknown; messageId: unknown };
    this.logger.error(`${String(type)} ${String(messageId)} of ${vendorId} is a dead letter: ${outcome.cause}`);
    return this.burial.bury(delivery, vendorId, outcome.cause, signal);
  }

  private async readAndDeliver(
    delivery: ConsumeMessage,
    vendorId: string,
    handler: MessageHandler,
    signal: AbortSignal,
  ): Promise<Outcome> {
    try {
      const patience = { ...this.judgement, signal };
      return await deliver(fromWire(delivery, vendorId), handler, patience, dueAtMsOf(delivery));
    } catch (error) {
      if (error instanceof UnreadableMessage) return { kind: 'dead', cause: causeOfUnreadable(error) };
      this.logger.error(`A message of ${vendorId} could not be handled: ${describe(error)}`);
      return { kind: 'interrupted' };
    }
  }
}
