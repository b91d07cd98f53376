import type { Message } from './message';

/**
 * Does what a message asks. Resolving acknowledges it. Rejecting with `UnreadableMessage` dead-letters it; rejecting
 * with anything else keeps it in this consumer's hand and tries again, and so does a crash before the acknowledgement:
 * a handler may see the same message again and must bear it.
 */
export type MessageHandler = (message: Message) => Promise<void>;

/** The message can never be understood, however often it is delivered. */
export class UnreadableMessage extends Error {}

export interface BrokerHealth {
  up: boolean;
  /** Why it is not up, in one sentence. */
  reason?: string;
  /** The same where it lasts longer than declaring a queue takes. Some hundred characters, however many queues it is about. */
  obstacle?: string;
  /** How many vendors' queues are missing, or lack consumers, for that long. */
  lacking?: number;
  /** Live consumers of each vendor's queue. */
  consumers: Record<string, number>;
}

/**
 * Brings what is due in the outbox to the consumers, at least once, each vendor by its own queue, one message at a time
 * to a consumer. Implementations: `brokers/rabbitmq`, `brokers/embedded`. Started by the worker only.
 */
export abstract class Broker {
  /** Begins to move messages. Does not wait for a broker that is away: it connects when it can. */
  abstract start(): Promise<void>;
  /** Opens `consumers` consumers on the vendor's queue, creating it; called again with another number, adjusts them. */
  abstract consume(vendorId: string, consumers: number, handler: MessageHandler): Promise<void>;
  /**
   * Takes no more of the vendor's messages, and removes its queue unless something waits in it or somebody else consumes
   * it. Answers whether it is gone. A later `consume` creates it again.
   */
  abstract remove(vendorId: string): Promise<boolean>;
  /** Takes no new message, waits for the handlers at work for at most `deadlineMs`, then lets go of everything. */
  abstract stop(deadlineMs: number): Promise<void>;
  abstract health(): Promise<BrokerHealth>;
  /**
   * The vendor's messages that are no longer in the outbox and in nobody's hand: 0 where its queue does not exist, undefined
   * where the broker cannot be asked.
   */
  abstract waiting(vendorId: string): Promise<number | undefined>;
}
