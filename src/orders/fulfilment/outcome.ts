import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../database/sql';
import { DeadLetterRepository } from '../../messaging/dead-letters/dead-letter.repository';
import type { Message, OutgoingMessage } from '../../messaging/message';
import { Outbox } from '../../messaging/outbox';
import { StockRepository } from '../../stock/stock.repository';
import type { Accepted, Refused } from '../../vendors/vendor-adapter';
import { type OrderEventType, OrderEventsRepository } from '../order-events.repository';
import { type FailureReason, isCounted } from '../order-status';
import { nextOf } from '../order.messages';
import { type LockedOrder, OrderRepository } from '../order.repository';
import { AcceptanceRepository } from './acceptance.repository';
import { AttemptRepository, type EndedCall } from './attempt.repository';
import type { Claim, Shut } from './claim.repository';
import { OrdersInHand } from './orders-in-hand';
import { Recalls } from './recalls';
import { recorded } from './recorded';

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
    private readonly acceptances: AcceptanceRepository,
    private readonly attempts: AttemptRepository,
    private readonly ordersInHand: OrdersInHand,
    private readonly recalls: Recalls,
    private readonly outbox: Outbox,
    private readonly deadLetters: DeadLetterRepository,
  ) {}

  /** The vendor has it in its books. Where its cancellation was asked for meanwhile, that comes next. */
  async accepted(claim: Claim, message: Message, answer: Accepted): Promise<void> {
    if (await recorded(() => this.acceptances.complete(this.dataSource.manager, claim, answer, acceptanceOf(answer))))
      return;
    await this.locked(claim, async (tx, order) => {
      if (order.status === 'pending' && order.cancelRequested) return this.cancelNext(tx, claim, message, answer);
      if (order.status === 'pending') await this.complete(tx, claim, order, answer, '');
      if (order.status === 'failed') {
        await this.recalls.request(tx, order, message, { acceptance: acceptanceOf(answer), ...claim });
      }
      await this.ordersInHand.conclude(tx, claim, resultOf(answer));
    });
  }

  /** The vendor has it in its books and will not cancel it. */
  async keptByVendor(claim: Claim, message: Message, answer: Accepted): Promise<void> {
    await this.conclude(claim, resultOf(answer), async (tx, order) => {
      if (order.status === 'completed') return;
      if (order.status === 'failed') return this.recalls.refused(tx, order, message, answer);
      await this.complete(tx, claim, order, answer, ' It was too late to cancel it.');
    });
  }

  /**
   * The vendor will never have it in its books. Heard by a worker that was frozen since, it decides nothing about what was
   * sent meanwhile: a vendor that keeps no refusals may have taken that.
   */
  async refused(claim: Claim, { reason, detail }: Refused): Promise<void> {
    const call: EndedCall = { outcome: 'refused', detail, counted: true };
    await this.locked(claim, async (tx, order) => {
      if (await this.attempts.anySentAfter(tx, claim)) return this.ordersInHand.letGo(tx, claim, call);
      await this.ordersInHand.conclude(tx, claim, call);
      if (order.status === 'failed') return this.recalls.end(tx, order, `The vendor does not have it (${detail})`);
      const story = `The vendor refused it (${detail}); its stock is free again.`;
      await this.fail(tx, order, reason, ['failed', story]);
    });
  }

  /** It was cancelled as we asked: the vendor will never have it in its books. `why` begins a sentence. */
  async cancelled(claim: Claim, why: string): Promise<void> {
    await this.conclude(claim, undefined, async (tx, order) => {
      if (order.status === 'failed') return this.recalls.end(tx, order, why);
      await this.fail(tx, order, 'CANCELLED', ['cancelled', `${why}: cancelled, its stock is free again.`]);
    });
  }

  /** Not decided yet: the message comes again after the delay. */
  async putOff(
    claim: Claim,
    message: Message,
    call: EndedCall | undefined,
    event: [OrderEventType, string],
    delayMs: number,
  ): Promise<void> {
    await this.record(async (tx) => {
      if (await this.ordersInHand.release(tx, claim)) {
        await this.events.add(tx, claim.orderId, ...event);
        await this.again(tx, nextOf(message, delayMs));
      }
      await this.ordersInHand.letGo(tx, claim, call);
    });
  }

  /** Nothing more is tried: the stock stays held, and an operator decides. */
  async giveUp(claim: Claim, message: Message, reason: string): Promise<void> {
    await this.record(async (tx) => {
      if (await this.ordersInHand.handOver(tx, claim, reason)) await this.tellOperator(tx, claim, message, reason);
      await this.ordersInHand.letGo(tx, claim, undefined);
    });
  }

  /** Its vendor may not be called, and nothing was tried: the message comes again as it is, and the story says so once. */
  async waitFor({ vendor, paused }: Shut, message: Message, delayMs: number): Promise<void> {
    const story = paused
      ? `An operator has paused ${vendor.name}; it waits until that is over.`
      : `${vendor.name} is left alone for a while, since its calls fail; it waits until that is over.`;
    await this.dataSource.transaction(async (tx) => {
      await this.events.addUnlessLast(tx, message.subject, 'waiting', story);
      await this.again(tx, { ...nextOf(message, delayMs), attempt: message.attempt });
    });
  }

  /** The message comes again when somebody else's claim has ended: the claimant may have died. */
  async comeBack(message: Message, delayMs: number): Promise<void> {
    await this.dataSource.transaction((tx) => this.again(tx, nextOf(message, delayMs)));
  }

  /** No slot of its vendor was free for long: the message comes again as it is, to whichever worker has one. */
  async waitForSlot(message: Message, delayMs: number): Promise<void> {
    const next = { ...nextOf(message, delayMs), attempt: message.attempt };
    await this.dataSource.transaction((tx) => this.again(tx, next));
  }

  private async tellOperator(
    tx: Transaction,
    { vendorId, orderId }: Claim,
    { payload }: Message,
    cause: string,
  ): Promise<void> {
    await this.events.add(tx, orderId, 'attentionNeeded', cause);
    // A letter that waits for the operator already says enough.
    if (await this.deadLetters.isOpenFor(tx, orderId)) return;
    await this.deadLetters.insert(tx, { vendorId, orderId, cause, payload });
  }

  /** Two messages of one order that meet become one: where another waits for its time already, that will do. */
  private async again(tx: Transaction, next: OutgoingMessage): Promise<void> {
    if (!(await this.outbox.anotherWaits(tx, next.subject))) await this.outbox.enqueue(tx, [next]);
  }

  /**
   * The attempts stay open: what was accepted this moment may not be in the books yet, where the vendor looks for what it is
   * to cancel. Closed, its "not found" would be taken for never bought.
   */
  private async cancelNext(tx: Transaction, claim: Claim, message: Message, answer: Accepted): Promise<void> {
    if (await this.ordersInHand.release(tx, claim)) {
      await this.events.add(tx, claim.orderId, 'accepted', `${acceptanceOf(answer)} It is asked to cancel it now.`);
      await this.outbox.enqueue(tx, [nextOf(message, 0)]);
    }
    await this.ordersInHand.letGo(tx, claim, resultOf(answer));
  }

  private async conclude(
    claim: Claim,
    call: EndedCall | undefined,
    change: (tx: Transaction, order: LockedOrder) => Promise<void>,
  ): Promise<void> {
    await this.locked(claim, async (tx, order) => {
      await change(tx, order);
      await this.ordersInHand.conclude(tx, claim, call);
    });
  }

  /** Product before order: the one lock order. */
  private async locked(
    { orderId, vendorId, productId }: Claim,
    change: (tx: Transaction, order: LockedOrder) => Promise<void>,
  ): Promise<void> {
    await this.record(async (tx) => {
      await this.stock.lock(tx, vendorId, productId);
      await change(tx, await this.orders.lock(tx, orderId));
    });
  }

  private async complete(
    tx: Transaction,
    { addressEpoch }: Claim,
    order: LockedOrder,
    answer: Accepted,
    addition: string,
  ): Promise<void> {
    const { orderId, vendorId, productId, quantity } = order;
    const sentAt = await this.attempts.sentAt(tx, orderId);
    const accepted = { ...answer, sentAt, addressEpoch };
    const contained = await this.stock.containsAcceptance(tx, order, accepted);
    await this.orders.complete(tx, orderId, { ...accepted, holdState: contained ? 'settled' : 'acknowledged' });
    if (contained) await this.stock.unreserve(tx, vendorId, productId, quantity);
    await this.events.add(tx, orderId, 'completed', `${acceptanceOf(answer)}${addition}`);
  }

  private async fail(
    tx: Transaction,
    { orderId, vendorId, productId, quantity, status, holdState }: LockedOrder,
    reason: FailureReason,
    event: [OrderEventType, string],
  ): Promise<void> {
    if (status !== 'pending') return;
    await this.orders.fail(tx, orderId, reason);
    if (isCounted(holdState)) await this.stock.unreserve(tx, vendorId, productId, quantity);
    await this.events.add(tx, orderId, ...event);
  }

  private record(change: (tx: Transaction) => Promise<void>): Promise<void> {
    return recorded(() => this.dataSource.transaction(change));
  }
}

function resultOf({ vendorOrderId }: Accepted): EndedCall {
  return { outcome: 'accepted', detail: vendorOrderId, counted: true };
}

function acceptanceOf({ acceptedAt, vendorOrderId }: Accepted): string {
  return `The vendor accepted it at ${acceptedAt.toISOString()} as ${vendorOrderId}.`;
}
