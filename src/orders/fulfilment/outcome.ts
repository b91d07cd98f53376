import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../database/sql';
import { DeadLetterRepository } from '../../messaging/dead-letters/dead-letter.repository';
import type { Message } from '../../messaging/message';
import { Outbox } from '../../messaging/outbox';
import { StockRepository } from '../../stock/stock.repository';
import { SlotRepository } from '../../vendors/slot.repository';
import type { Accepted, Refused } from '../../vendors/vendor-adapter';
import { type OrderEventType, OrderEventsRepository } from '../order-events.repository';
import { isCounted } from '../order-status';
import { type LockedOrder, OrderRepository } from '../order.repository';
import { type AttemptOutcome, AttemptRepository } from './attempt.repository';
import { type Claim, ClaimRepository } from './claim.repository';

/** How a purchase call ended that decided nothing; absent after a look-up. */
export interface UndecidedCall {
  outcome: Extract<AttemptOutcome, 'unknown' | 'not_sent'>;
  detail: string;
  counted: boolean;
}

/**
 * Records what came of a dispatch, each in one transaction: stock, order, attempt, slot, event, next message. A definite
 * answer holds for the order's present state even if our claim has run out meanwhile; anything else is ours to write
 * only while the claim is.
 */
@Injectable()
export class Outcome {
  constructor(
    private readonly dataSource: DataSource,
    private readonly stock: StockRepository,
    private readonly orders: OrderRepository,
    private readonly events: OrderEventsRepository,
    private readonly attempts: AttemptRepository,
    private readonly claims: ClaimRepository,
    private readonly slots: SlotRepository,
    private readonly outbox: Outbox,
    private readonly deadLetters: DeadLetterRepository,
  ) {}

  /** The vendor has it in its books. */
  async accepted(claim: Claim, answer: Accepted): Promise<void> {
    const { vendorOrderId, acceptedAt } = answer;
    const at = acceptedAt.toISOString();
    await this.conclude(claim, { outcome: 'accepted', detail: vendorOrderId }, async (tx, order) => {
      if (order.status === 'failed') return this.acceptedTooLate(tx, order, answer);
      if (order.status === 'completed') return;
      const contained = await this.stock.containsAcceptance(tx, order.vendorId, order.productId, acceptedAt);
      const holdState = contained ? 'settled' : 'acknowledged';
      await this.orders.complete(tx, order.orderId, { vendorOrderId, acceptedAt, holdState });
      if (contained) await this.stock.unreserve(tx, order.vendorId, order.productId, order.quantity);
      await this.events.add(tx, order.orderId, 'completed', `The vendor accepted it at ${at} as ${vendorOrderId}.`);
    });
  }

  /** The vendor will never have it in its books. */
  async refused(claim: Claim, { reason, detail }: Refused): Promise<void> {
    await this.conclude(claim, { outcome: 'refused', detail }, async (tx, order) => {
      if (order.status !== 'pending') return;
      await this.orders.fail(tx, order.orderId, reason);
      if (isCounted(order.holdState)) {
        await this.stock.unreserve(tx, order.vendorId, order.productId, order.quantity);
      }
      await this.events.add(tx, order.orderId, 'failed', `The vendor refused it (${detail}); its stock is free again.`);
    });
  }

  /** Not decided yet: the message comes again after the delay. */
  async putOff(
    claim: Claim,
    message: Message,
    call: UndecidedCall | undefined,
    event: [OrderEventType, string],
    delayMs: number,
  ): Promise<void> {
    await this.whileClaimed(claim, call, async (tx) => {
      await this.events.add(tx, claim.orderId, ...event);
      await this.outbox.enqueue(tx, [nextOf(message, delayMs)]);
    });
  }

  /** Nothing more is tried: the stock stays held, and an operator decides. */
  async giveUp(claim: Claim, message: Message, reason: string): Promise<void> {
    await this.whileClaimed(claim, undefined, async (tx) => {
      await this.orders.needAttention(tx, claim.orderId, reason);
      await this.events.add(tx, claim.orderId, 'attentionNeeded', reason);
      const { vendorId, orderId } = claim;
      await this.deadLetters.insert(tx, { vendorId, orderId, cause: reason, payload: message.payload });
    });
  }

  /** The message comes again when somebody else's claim has ended: the claimant may have died. */
  async comeBack(message: Message, delayMs: number): Promise<void> {
    await this.dataSource.transaction((tx) => this.outbox.enqueue(tx, [nextOf(message, delayMs)]));
  }

  /** Product before order: the one lock order. */
  private async conclude(
    claim: Claim,
    call: { outcome: 'accepted' | 'refused'; detail: string },
    change: (tx: Transaction, order: LockedOrder) => Promise<void>,
  ): Promise<void> {
    const { orderId, vendorId, productId, token } = claim;
    await this.dataSource.transaction(async (tx) => {
      await this.stock.lock(tx, vendorId, productId);
      await change(tx, await this.orders.lock(tx, orderId));
      await this.attempts.finish(tx, orderId, token, { ...call, counted: true });
      await this.attempts.closeAll(tx, orderId);
      await this.slots.free(tx, vendorId, token);
    });
  }

  private async whileClaimed(
    claim: Claim,
    call: UndecidedCall | undefined,
    change: (tx: Transaction) => Promise<void>,
  ): Promise<void> {
    await this.dataSource.transaction(async (tx) => {
      if (await this.claims.release(tx, claim)) await change(tx);
      if (call) await this.attempts.finish(tx, claim.orderId, claim.token, call);
      await this.slots.free(tx, claim.vendorId, claim.token);
    });
  }

  private async acceptedTooLate(tx: Transaction, { orderId, vendorId }: LockedOrder, answer: Accepted): Promise<void> {
    const reason = `The vendor accepted it as ${answer.vendorOrderId} after it had failed here: cancel it at the vendor.`;
    await this.orders.needAttention(tx, orderId, reason);
    await this.events.add(tx, orderId, 'lateAnswer', reason);
    await this.deadLetters.insert(tx, { vendorId, orderId, cause: reason, payload: { orderId, ...answer } });
  }
}

function nextOf({ type, vendorId, subject, payload, traceparent, attempt }: Message, delayMs: number) {
  return { type, vendorId, subject, payload, traceparent, attempt: attempt + 1, delayMs };
}
