import { Logger } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import { UnreadableMessage } from '../../broker';
import { settledWithin } from '../../../lifecycle/settled-within';
import { causeOfUnreadable, describe } from '../../delivery';
import type { Burial } from './burial';
import { CHECK_MS_MAX, RabbitConnection } from './connection';
import { declareAlone } from './declaring';
import { Consumer } from './consumer';
import { PATIENCE_MS } from './pacing';
import type { Topology } from './topology';
import { fromWire } from './wire-format';

/**
 * Moves the broker's dead-letter queue into the table of dead letters, where operators look: what the broker gave up by
 * itself, what a release before this one refused, what anybody put there. A message is acknowledged when its row is
 * committed, so a crash in between brings it again, and it is not stored again.
 */
export class DeadLetterDrain {
  readonly connection: RabbitConnection;
  private readonly logger = new Logger('RabbitMQ dead letters');
  private readonly consumer: Consumer;
  private reconciling: Promise<void> | undefined;
  private stopping = false;
  private fault: string | undefined;

  constructor(
    url: string,
    private readonly topology: Topology,
    burial: Burial,
  ) {
    this.consumer = new Consumer(topology.dead, (delivery, signal) =>
      burial.bury(delivery, undefined, causeOf(delivery), signal),
    );
    this.connection = new RabbitConnection({
      url,
      purpose: 'drain',
      opened: () => void this.reconcile(),
      closed: () => this.consumer.lost(),
    });
  }

  /** Opens the consumer where it shall be open and is not, or is about to after five seconds. Never rejects; one at a time. */
  async reconcile(): Promise<void> {
    this.reconciling ??= this.reconcileOnce().finally(() => (this.reconciling = undefined));
    await settledWithin(PATIENCE_MS, this.reconciling);
  }

  /** Whether the broker knows of nobody who drains, though we believe that we do. */
  async isMissingAtBroker(): Promise<boolean> {
    const { channel } = this.connection;
    if (channel === undefined || this.consumer.openOn !== channel) return false;
    try {
      const queue = await this.connection.onTemporaryChannel(
        (temporary) => temporary.checkQueue(this.topology.dead),
        CHECK_MS_MAX,
      );
      return queue.consumerCount === 0;
    } catch {
      return true;
    }
  }

  /** Resolves when the message in hand is stored, or has failed to be once more. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.consumer.stop();
  }

  private hasStopped(): boolean {
    return this.stopping;
  }

  private async reconcileOnce(): Promise<void> {
    const { channel } = this.connection;
    if (channel === undefined || this.stopping || this.consumer.openOn === channel) return;
    try {
      await declareAlone(this.connection, this.topology.dead, (temporary) => this.topology.declareShared(temporary));
      if (this.hasStopped()) return;
      await this.consumer.open(channel);
      this.fault = undefined;
    } catch (error) {
      const fault = describe(error);
      if (fault !== this.fault) this.logger.error(`Not draining ${this.topology.dead}: ${fault}`);
      this.fault = fault;
    }
  }
}

/** What the broker tells of why a message is here, and what we can see. */
function causeOf(delivery: ConsumeMessage): string {
  const deaths: unknown = delivery.properties.headers?.['x-death'];
  const death = Array.isArray(deaths) ? (deaths[0] as { reason?: unknown; queue?: unknown } | null) : null;
  const story = death
    ? `The broker gave it up in ${String(death.queue)} (${String(death.reason)}).`
    : 'Somebody put it into the dead-letter queue.';
  try {
    fromWire(delivery, '');
    return story;
  } catch (error) {
    return error instanceof UnreadableMessage ? `${story} ${causeOfUnreadable(error)}` : story;
  }
}
