import type { Message } from '../../../../src/messaging/message';

/** Messages as an at-least-once broker has them. */
export class Mail {
  private waiting: Message[] = [];
  private readonly delivered: Message[] = [];

  take(messages: Message[]): void {
    this.waiting.push(...messages);
  }

  /** One of those that wait, by its index modulo their number. */
  next(index: number): Message | undefined {
    const [message] = this.waiting.splice(index % Math.max(1, this.waiting.length), 1);
    if (message) this.delivered.push(message);
    return message;
  }

  /** One that was delivered before. */
  again(index: number): Message | undefined {
    return this.delivered[index % Math.max(1, this.delivered.length)];
  }

  /** All that wait. */
  rest(): Message[] {
    return this.waiting.splice(0);
  }
}
