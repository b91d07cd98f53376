import { Logger } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import { type MessageHandler, UnreadableMessage } from '../../broker';
import { causeOfUnreadable, deliver, describe, type Outcome, type Patience } from '../../delivery';
import { labelsOf, type Message } from '../../message';
import { processing } from '../../message-spans';
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
    const message = readIn(delivery, vendorId);
    const outcome =
      message instanceof UnreadableMessage
        ? ({ kind: 'dead', cause: causeOfUnreadable(message) } as const)
        : await processing(message, sourceOf(delivery, vendorId), (inTrace) =>
            this.deliver(inTrace, dueAtMsOf(delivery), handler, signal),
          );
    if (outcome.kind !== 'dead') return outcome.kind === 'done';
    const { type, messageId } = delivery.properties as { type: unknown; messageId: unknown };
    this.logger.error(
      message instanceof UnreadableMessage ? { vendorId } : labelsOf(message),
      `${String(type)} ${String(messageId)} of ${vendorId} is a dead letter: ${outcome.cause}`,
    );
    return this.burial.bury(delivery, vendorId, outcome.cause, signal);
  }

  private async deliver(
    message: Message,
    dueAtMs: number | undefined,
    handler: MessageHandler,
    signal: AbortSignal,
  ): Promise<Outcome> {
    try {
      return await deliver(message, handler, { ...this.judgement, signal }, dueAtMs);
    } catch (error) {
      this.logger.error(labelsOf(message), `A message of ${message.vendorId} could not be handled: ${describe(error)}`);
      return { kind: 'interrupted' };
    }
  }
}

function readIn(delivery: ConsumeMessage, vendorId: string): Message | UnreadableMessage {
  try {
    return fromWire(delivery, vendorId);
  } catch (error) {
    return error instanceof UnreadableMessage ? error : new UnreadableMessage(describe(error), { cause: error });
  }
}

/** The vendor's queue, as traces call it. */
function sourceOf({ fields }: ConsumeMessage, vendorId: string) {
  return { system: 'rabbitmq', destination: `${fields.exchange}.${vendorId}` } as const;
}
