import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { row, rows } from '../../../src/database/sql';
import { HealthRegistry } from '../../../src/health/health-registry';
import { Vitals } from '../../../src/lifecycle/vitals';
import type { MessageHandler } from '../../../src/messaging/broker';
import { type DeadLetter, DeadLetterRepository } from '../../../src/messaging/dead-letters/dead-letter.repository';
import type { Message, OutgoingMessage } from '../../../src/messaging/message';
import { Outbox } from '../../../src/messaging/outbox';
import { OutboxRepository } from '../../../src/messaging/outbox.repository';
import { createDatabase } from '../../support/database';
import { waitFor } from '../../support/wait';

const DEADLINE_MS = 10_000;

/**
 * An outbox in a database of its own, and messages to put into it. Watches for errors that nobody handles: each of them
 * would have ended a real process.
 */
export class MessagingFixture {
  readonly repository = new OutboxRepository();
  readonly deadLetters = new DeadLetterRepository();
  readonly vitals = new Vitals(new HealthRegistry());
  outbox = new Outbox(this.repository);
  dataSource!: DataSource;
  url!: string;
  private drop!: () => Promise<void>;
  private readonly escaped: unknown[] = [];
  private readonly onEscape = (error: unknown) => this.escaped.push(error);
  private count = 0;

  async open(): Promise<void> {
    // What these suites provoke is logged as it should be; asserting it is the tests' part, reading it nobody's.
    if (!process.env.HOLDFAST_TEST_LOGS) Logger.overrideLogger(false);
    process.on('unhandledRejection', this.onEscape).on('uncaughtException', this.onEscape);
    Object.assign(this, await createDatabase());
  }

  async close(): Promise<void> {
    await this.drop();
    process.off('unhandledRejection', this.onEscape).off('uncaughtException', this.onEscape);
  }

  /** Called after each test. */
  expectNothingEscaped(): void {
    expect(this.escaped.splice(0)).toEqual([]);
  }

  /** Empties the tables; a broker of the test before no longer hears of what is sent. */
  async clear(): Promise<void> {
    await this.dataSource.query('TRUNCATE outbox, dead_letters, replay_pace');
    this.outbox = new Outbox(this.repository);
  }

  message(vendorId: string): Message {
    this.count += 1;
    const payload = { number: this.count, text: 'Zürich → 東京', nested: { list: [1, 2.5, null] } };
    return {
      messageId: randomUUID(),
      type: 'order.placed.v1',
      vendorId,
      subject: randomUUID(),
      payload,
      traceparent: null,
      attempt: 1,
    };
  }

  /** One message to each of the vendors named; answers them in this order, which is the order they are due in. */
  async send(vendorIds: string[]): Promise<Message[]> {
    const messages = vendorIds.map((vendorId) => this.message(vendorId));
    await this.enqueue(messages);
    return messages;
  }

  async enqueue(messages: OutgoingMessage[]): Promise<void> {
    await this.dataSource.transaction((tx) => this.outbox.enqueue(tx, messages));
    this.outbox.wake();
  }

  /** The dead letters there are, oldest first. */
  buried(): Promise<DeadLetter[]> {
    return rows(
      this.dataSource.manager,
      `SELECT vendor_id AS "vendorId", order_id AS "orderId", cause, payload FROM dead_letters
       ORDER BY created_at, dead_letter_id`,
    );
  }

  async outboxCount(): Promise<number> {
    return (await row<{ count: number }>(this.dataSource.manager, 'SELECT count(*)::int AS count FROM outbox'))!.count;
  }
}

/** Remembers what handlers were given and what they finished. */
export class Inbox {
  readonly started: Message[] = [];
  readonly done: Message[] = [];
  atWork = 0;
  atWorkMax = 0;

  readonly handler: MessageHandler = (message) => this.work(message, Promise.resolve());

  /** Ends when the signal comes. */
  handlerUntil({ promise }: Signal): MessageHandler {
    return (message) => this.work(message, promise);
  }

  /** Works that long on each message. */
  handlerTaking(workMs: number): MessageHandler {
    return (message) => this.work(message, new Promise((resolve) => setTimeout(resolve, workMs)));
  }

  /** Fails so many times, then works. */
  handlerFailing(times: number, error: () => Error): MessageHandler {
    return (message) => {
      times -= 1;
      return this.work(message, times < 0 ? Promise.resolve() : Promise.reject(error()));
    };
  }

  /** Fails with the first message it was given, however often that is given again, and does all others. */
  handlerFailingFirst(error: () => Error): MessageHandler {
    let first: string | undefined;
    return (message) => {
      first ??= message.messageId;
      return this.work(message, message.messageId === first ? Promise.reject(error()) : Promise.resolve());
    };
  }

  private async work(message: Message, work: Promise<void>): Promise<void> {
    this.started.push(message);
    this.atWork += 1;
    this.atWorkMax = Math.max(this.atWorkMax, this.atWork);
    try {
      await work;
      this.done.push(message);
    } finally {
      this.atWork -= 1;
    }
  }
}

export interface Signal {
  promise: Promise<void>;
  resolve(): void;
}

export function signal(): Signal {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** Asks again until the answer is yes; fails the test, quoting the question, when it never is. */
export function eventually(question: () => boolean | Promise<boolean>, withinMs = DEADLINE_MS): Promise<void> {
  return waitFor(question, { withinMs, what: question.toString() });
}
