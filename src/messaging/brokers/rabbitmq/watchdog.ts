import { Logger } from '@nestjs/common';
import { settledWithin } from '../../../lifecycle/settled-within';
import { describe } from '../../delivery';
import type { RabbitConnection } from './connection';
import type { Consumers } from './consumers';
import { FaultLog } from './fault-log';
import type { DeadLetterDrain } from './dead-letter-drain';

/** How long a vendor whose consumers died unnoticed waits for new ones, about. */
const WATCH_MS = 2_000;
const STOP_MS_MAX = 500;

/**
 * Looks for what the library does not: a consumer that the broker has dropped and a channel that did not come back, both
 * behind a connection that looks healthy. What is missing twice in a row is opened anew; once may be a reconnect.
 */
export class Watchdog {
  private readonly logger = new Logger('RabbitMQ watchdog');
  private readonly faults = new FaultLog(this.logger, 'All queues are consumed again');
  private timer: NodeJS.Timeout | undefined;
  private watching: Promise<void> = Promise.resolve();
  private suspects = new Set<string>();
  private stopping = false;

  constructor(
    private readonly publishing: RabbitConnection,
    private readonly consumers: Consumers,
    private readonly drain: DeadLetterDrain,
  ) {}

  start(): void {
    this.schedule();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    // A look that waits for a broker in need is not waited for; it opens nothing any more.
    await settledWithin(STOP_MS_MAX, this.watching);
  }

  async runOnce(): Promise<void> {
    const suspects = new Set<string>();
    if (this.publishing.lacksChannel) suspects.add('publish');
    if (this.consumers.connection.lacksChannel) suspects.add('consume');
    if (this.drain.connection.lacksChannel) suspects.add('drain');
    await Promise.all([this.consumers.reconcile(), this.drain.reconcile()]);
    if (await this.consumers.missesSomeAtBroker()) suspects.add('consume');
    if (await this.drain.isMissingAtBroker()) suspects.add('drain');
    this.hangUpOn('publish', this.publishing, suspects);
    this.hangUpOn('consume', this.consumers.connection, suspects);
    this.hangUpOn('drain', this.drain.connection, suspects);
    this.suspects = suspects;
    this.faults.say(this.consumers.lastingFault());
  }

  private hangUpOn(name: string, connection: RabbitConnection, suspects: Set<string>): void {
    if (!suspects.has(name) || !this.suspects.has(name)) return;
    suspects.delete(name);
    connection.hangUp(
      connection.lacksChannel ? 'its channel did not come back' : 'the broker does not know its consumers',
    );
  }

  private schedule(): void {
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.watching = this.watch().finally(() => this.schedule());
    }, WATCH_MS);
  }

  private async watch(): Promise<void> {
    try {
      await this.runOnce();
    } catch (error) {
      this.logger.warn(`Could not look after the connections: ${describe(error)}`);
    }
  }
}
