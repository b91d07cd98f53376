import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import { LeaseRepository } from '../../database/lease.repository';
import type { Agent } from '../../lifecycle/agents';
import { type Loop, Loops } from '../../lifecycle/loop';
import { Broker } from '../../messaging/broker';
import { DeadLetterRepository } from '../../messaging/dead-letters/dead-letter.repository';
import { Outbox } from '../../messaging/outbox';
import { OrderEventsRepository } from '../order-events.repository';
import { orderPlaced } from '../order.messages';
import { seconds } from './patience';
import { SweepRepository } from './sweep.repository';
import { SweeperMetrics } from './sweeper-metrics';

const SWEEP_EVERY_MS = 15_000;
/** How often a worker looks whether a sweep is due. */
const LOOK_EVERY_MS = 5000;
/** A younger order's message may be between the outbox and its queue. */
const AGE_MS_MIN = 15_000;
/** Messages of a vendor that one sweep sends again: one transaction. */
const REEMITTED_MAX = 10_000;
/** What is tried until it is too old is given up by whoever tries it; what nobody tries, so much later by us. */
const OVERDUE_MS = 60_000;

/**
 * The net under every fault of a broker: sends again what is open and has no message, and tells an operator of what is
 * older than it may be. A message that is at the broker is in no table of ours, so whether some are lost is told by numbers:
 * a vendor has more such orders than messages wait in its queue. As many as that are sent again, the oldest first; if these
 * were not the lost ones they find nothing to do, and the others' turn comes when the queue has drained. What consumers
 * have in hand without a slot is sent twice in the same way, once: then there are more messages than orders.
 */
@Injectable()
export class Sweeper implements Agent {
  private readonly logger = new Logger(Sweeper.name);
  private readonly loop: Loop;

  constructor(
    private readonly dataSource: DataSource,
    private readonly config: Config,
    private readonly leases: LeaseRepository,
    private readonly broker: Broker,
    private readonly sweep: SweepRepository,
    private readonly events: OrderEventsRepository,
    private readonly deadLetters: DeadLetterRepository,
    private readonly outbox: Outbox,
    private readonly metrics: SweeperMetrics,
    loops: Loops,
  ) {
    this.loop = loops.of('sweeper', async () => {
      if (await this.leases.take(this.dataSource.manager, 'sweep', SWEEP_EVERY_MS)) await this.runOnce();
      return LOOK_EVERY_MS;
    });
  }

  start(): void {
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
  }

  async runOnce(ageMsMin = AGE_MS_MIN): Promise<void> {
    await this.flagGivenUp(ageMsMin);
    await this.flagTooOld();
    const waiting = await this.waitingAtBroker(ageMsMin);
    // Counted after the messages: what is dispatched in between makes too few orders of them, never too many.
    const stranded = await this.sweep.count(this.dataSource.manager, ageMsMin);
    for (const [vendorId, messages] of waiting) {
      const lost = (stranded.get(vendorId) ?? 0) - messages;
      if (lost > 0) await this.reemit(vendorId, ageMsMin, Math.min(lost, REEMITTED_MAX));
    }
  }

  /** Messages by vendor, of those that may lack some; none where the broker cannot tell. */
  private async waitingAtBroker(ageMsMin: number): Promise<Map<string, number>> {
    const waiting = new Map<string, number>();
    for (const vendorId of (await this.sweep.count(this.dataSource.manager, ageMsMin)).keys()) {
      const messages = await this.broker.waiting(vendorId);
      if (messages !== undefined) waiting.set(vendorId, messages);
    }
    return waiting;
  }

  private async reemit(vendorId: string, ageMsMin: number, messages: number): Promise<void> {
    const reemitted = await this.dataSource.transaction(async (tx) => {
      const stranded = await this.sweep.lockOldest(tx, vendorId, ageMsMin, messages);
      await this.outbox.enqueue(
        tx,
        stranded.map((order) => orderPlaced(order)),
      );
      return stranded.length;
    });
    if (reemitted === 0) return;
    this.outbox.wake();
    this.metrics.reemitted(reemitted);
    this.logger.warn({ vendorId, orders: reemitted }, 'Orders had no message and are sent on their way again');
  }

  private async flagGivenUp(ageMsMin: number): Promise<void> {
    const flagged = await this.dataSource.transaction(async (tx) => {
      const givenUp = await this.sweep.flagGivenUp(tx, ageMsMin);
      for (const { orderId, reason } of givenUp) await this.events.add(tx, orderId, 'attentionNeeded', reason);
      return givenUp;
    });
    if (flagged.length > 0) this.logger.warn({ orders: flagged.length }, 'Orders whose message is a dead letter wait');
  }

  private async flagTooOld(): Promise<void> {
    const ageMsMax = this.config.deliveryAgeMsMax + OVERDUE_MS;
    const reasons = {
      notPlaced: `It has not been placed at its vendor within ${seconds(ageMsMax)}.`,
      notCancelled: `It has not been cancelled at its vendor within ${seconds(ageMsMax)} of being asked for.`,
      notRecalled: `It failed here, its vendor accepted it, and has not cancelled it within ${seconds(ageMsMax)}.`,
    };
    const flagged = await this.dataSource.transaction(async (tx) => {
      const overdue = await this.sweep.flagTooOld(tx, ageMsMax, reasons);
      for (const { orderId, vendorId, reason } of overdue) {
        await this.events.add(tx, orderId, 'attentionNeeded', reason);
        await this.deadLetters.insert(tx, { orderId, vendorId, cause: reason, payload: { orderId } });
      }
      return overdue;
    });
    if (flagged.length > 0) this.logger.warn({ orders: flagged.length }, 'Orders have grown older than they may');
  }
}
