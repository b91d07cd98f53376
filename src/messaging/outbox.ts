import { Injectable } from '@nestjs/common';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/sql';
import type { OutgoingMessage } from './message';
import { OutboxRepository } from './outbox.repository';

/**
 * The only way to send or schedule a message: a row written in the sender's own transaction, so that the message exists
 * exactly if what it speaks of does.
 */
@Injectable()
export class Outbox {
  private readonly listeners = new Set<() => void>();

  constructor(private readonly repository: OutboxRepository) {}

  async enqueue(tx: Transaction, messages: OutgoingMessage[]): Promise<void> {
    if (messages.length === 0) return;
    await this.repository.insert(
      tx,
      messages.map((message) => ({
        messageId: newId(),
        traceparent: null,
        attempt: 1,
        delayMs: 0,
        ...message,
      })),
    );
  }

  /** Makes messages about a subject due that wait for their time in nobody's hand. Answers how many. */
  hasten(tx: Transaction, subject: string): Promise<number> {
    return this.repository.hasten(tx, subject);
  }

  /** Those of the subjects whose next message waits in nobody's hand, due or not. */
  waiting(tx: Transaction, subjects: string[]): Promise<string[]> {
    return this.repository.waiting(tx, subjects);
  }

  /** Whether a message about the subject waits that nobody has had in hand, nor will until the transaction ends. */
  anotherWaits(tx: Transaction, subject: string): Promise<boolean> {
    return this.repository.anotherWaits(tx, subject);
  }

  /** Whether there is a message about the subject that has not reached the broker, in somebody's hand or not. */
  holds(tx: Transaction, subject: string): Promise<boolean> {
    return this.repository.holds(tx, subject);
  }

  /** Takes back messages about a subject that are in nobody's hand. Answers how many. */
  discard(tx: Transaction, subject: string): Promise<number> {
    return this.repository.discard(tx, subject);
  }

  /**
   * Called after the commit: a transport in this process looks at once. Other processes find the row by polling, at
   * most 250 ms later; forgetting this call costs the same and nothing else.
   */
  wake(): void {
    for (const listener of this.listeners) listener();
  }

  /** For transports. Answers how to stop listening. */
  onWake(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
