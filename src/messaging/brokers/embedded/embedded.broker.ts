import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { Broker, BrokerHealth, MessageHandler } from '../../broker';
import type { DeadLetterRepository } from '../../dead-letters/dead-letter.repository';
import { deliver, describe, type Outcome, retryDelayMs, type RetryDelayMs, waitedFor } from '../../delivery';
import { labelsOf } from '../../message';
import type { MessageMetrics } from '../../message-metrics';
import { processing } from '../../message-spans';
import type { Outbox } from '../../outbox';
import type { LeasedMessage, OutboxRepository } from '../../outbox.repository';
import { Polling } from '../../polling';
import type { Vitals } from '../../../lifecycle/vitals';
import { settledWithin } from '../../../lifecycle/settled-within';
import { Leases, type LeaseTimes } from './leases';

export interface EmbeddedBrokerOptions {
  dataSource: DataSource;
  outbox: Outbox;
  repository: OutboxRepository;
  deadLetters: DeadLetterRepository;
  vitals: Vitals;
  isTransient: (error: unknown) => boolean;
  leaseTimes?: LeaseTimes;
  retryDelayMs?: RetryDelayMs;
  metrics?: MessageMetrics;
}

/** What messages are taken from, in traces. */
const SOURCE = { system: 'holdfast', destination: 'outbox' } as const;

interface Subscription {
  consumers: number;
  handler: MessageHandler;
}

/**
 * Takes messages straight from the outbox, as many of each vendor as it has free consumers, so that a vendor that hangs
 * holds up only its own. Any number of processes may share one database. Costs the database a look every 10 to 250 ms
 * for each of them; where that is too much, use RabbitMQ.
 */
export class EmbeddedBroker implements Broker {
  private readonly logger = new Logger('EmbeddedBroker');
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly atWork = new Set<Promise<void>>();
  private readonly letGo = new AbortController();
  private readonly leases: Leases;
  private readonly polling: Polling;
  private stopListening: () => void = () => undefined;
  private looking: Promise<number> = Promise.resolve(0);
  private fault: string | undefined;

  constructor(private readonly options: EmbeddedBrokerOptions) {
    const { dataSource, repository, deadLetters, vitals, leaseTimes } = options;
    this.leases = new Leases(dataSource, repository, deadLetters, leaseTimes);
    this.polling = new Polling('outbox', vitals, () => this.runOnce(), {
      failed: (error) => this.failed(error),
      recovered: () => this.recovered(),
    });
  }

  start(): Promise<void> {
    this.stopListening = this.options.outbox.onWake(() => this.polling.wake());
    this.leases.start();
    this.polling.start();
    return Promise.resolve();
  }

  async consume(vendorId: string, consumers: number, handler: MessageHandler): Promise<void> {
    this.subscriptions.set(vendorId, { consumers, handler });
    this.polling.wake();
    // The look under way still goes by the old number; none after it does.
    await this.looking.catch(() => undefined);
  }

  async remove(vendorId: string): Promise<boolean> {
    this.subscriptions.delete(vendorId);
    await this.looking.catch(() => undefined);
    return true;
  }

  async stop(deadlineMs: number): Promise<void> {
    this.stopListening();
    this.letGo.abort();
    await this.polling.stop();
    await settledWithin(deadlineMs, Promise.all(this.atWork));
    await this.leases.stop();
  }

  health(): Promise<BrokerHealth> {
    const consumers = Object.fromEntries(
      [...this.subscriptions].map(([vendorId, { consumers }]) => [vendorId, consumers]),
    );
    return Promise.resolve({ up: this.fault === undefined, ...(this.fault && { reason: this.fault }), consumers });
  }

  /** Every message is in the outbox until it has been dealt with. */
  waiting(): Promise<number> {
    return Promise.resolve(0);
  }

  /** One look: takes what there is room for, sets its handlers to work, answers how much it was. */
  runOnce(): Promise<number> {
    this.looking = this.look();
    return this.looking;
  }

  private async look(): Promise<number> {
    const room = [...this.subscriptions]
      .map(([vendorId, { consumers }]) => ({ vendorId, places: consumers - this.leases.count(vendorId) }))
      .filter(({ places }) => places > 0);
    if (room.length === 0 || this.letGo.signal.aborted) return 0;
    const messages = await this.leases.take(room);
    const isWanted = ({ vendorId }: LeasedMessage) => !this.letGo.signal.aborted && this.subscriptions.has(vendorId);
    await this.leases.giveBack(messages.filter((message) => !isWanted(message)));
    for (const message of messages.filter(isWanted))
      this.setToWork(message, this.subscriptions.get(message.vendorId)!.handler);
    return messages.length;
  }

  private setToWork(message: LeasedMessage, handler: MessageHandler): void {
    const work = this.serve(message, handler).finally(() => {
      this.atWork.delete(work);
      this.polling.wake();
    });
    this.atWork.add(work);
  }

  private async serve(message: LeasedMessage, handler: MessageHandler): Promise<void> {
    const patience = { ...this.options, signal: this.letGo.signal };
    await processing(toMessage(message), SOURCE, async (inTrace) => {
      const outcome = await deliver(inTrace, handler, patience, message.dueAtMs);
      await this.settle(message, outcome);
      return outcome;
    });
  }

  private async settle(message: LeasedMessage, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'done') await this.persist(message, () => this.leases.finish(message));
    if (outcome.kind === 'dead') {
      this.logger.error(
        labelsOf(message),
        `${message.type} ${message.messageId} of ${message.vendorId} is a dead letter: ${outcome.cause}`,
      );
      await this.persist(message, () => this.leases.bury(message, outcome.cause));
    }
  }

  /** Settles with the database, which may be away just now; after stop only once, the lease ends by itself. */
  private async persist(message: LeasedMessage, settle: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await settle();
      } catch (error) {
        this.logger.warn(labelsOf(message), `A message in hand could not be settled, try ${tries}: ${describe(error)}`);
        if (!(await waitedFor(retryDelayMs(tries), this.letGo.signal))) return;
      }
    }
  }

  private failed(error: unknown): void {
    this.fault = `the outbox cannot be read: ${describe(error)}`;
    this.logger.warn(this.fault);
  }

  private recovered(): void {
    this.fault = undefined;
    this.logger.log('The outbox can be read again');
  }
}

function toMessage({ messageId, type, vendorId, subject, payload, traceparent, attempt }: LeasedMessage) {
  return { messageId, type, vendorId, subject, payload, traceparent, attempt };
}
