import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../database/sql';
import { DeadLetterRepository, type Decider } from '../../messaging/dead-letters/dead-letter.repository';
import { Outbox } from '../../messaging/outbox';
import { StockRepository } from '../../stock/stock.repository';
import type { Accepted } from '../../vendors/vendor-adapter';
import { OrderEventsRepository } from '../order-events.repository';
import { type FailureReason, isCounted } from '../order-status';
import { orderPlaced } from '../order.messages';
import { type LockedOrder, OrderRepository } from '../order.repository';
import { AttemptRepository } from './attempt.repository';

/** An operator's word: who, and why. */
export interface Ruling {
  by: Decider;
  note: string;
}

/**
 * What an operator decides about an order that is beyond what dispatch decides by itself, in the operator's transaction:
 * lock the product and then the order before. Whatever needs the vendor becomes a message, and is done by dispatch.
 */
@Injectable()
export class Intervention {
  constructor(
    private readonly stock: StockRepository,
    private readonly orders: OrderRepository,
    private readonly attempts: AttemptRepository,
    private readonly events: OrderEventsRepository,
    private readonly outbox: Outbox,
    private readonly deadLetters: DeadLetterRepository,
  ) {}

  /** pending → completed: the vendor's books have it. */
  async complete(tx: Transaction, order: LockedOrder, accepted: Accepted, ruling: Ruling): Promise<void> {
    const { orderId, vendorId, productId, quantity } = order;
    const { vendorOrderId, acceptedAt } = accepted;
    await this.tell(tx, orderId, 'takes over what the vendor has', ruling);
    const sentAt = await this.attempts.sentAt(tx, orderId);
    const found = { ...accepted, sentAt, addressEpoch: await this.attempts.addressEpoch(tx, orderId) };
    const contained = await this.stock.containsAcceptance(tx, order, found);
    await this.orders.complete(tx, orderId, { ...found, holdState: contained ? 'settled' : 'acknowledged' });
    if (contained) await this.stock.unreserve(tx, vendorId, productId, quantity);
    const story = `The vendor accepted it at ${acceptedAt.toISOString()} as ${vendorOrderId}.`;
    await this.events.add(tx, orderId, 'completed', story);
    await this.conclude(tx, orderId, ruling);
  }

  /** pending → failed: the vendor's books do not have it. */
  async fail(tx: Transaction, order: LockedOrder, reason: FailureReason, ruling: Ruling): Promise<void> {
    const { orderId, vendorId, productId, quantity, holdState } = order;
    await this.tell(tx, orderId, 'lets it fail', ruling);
    await this.orders.fail(tx, orderId, reason);
    if (isCounted(holdState)) await this.stock.unreserve(tx, vendorId, productId, quantity);
    await this.events.add(tx, orderId, 'failed', 'The vendor does not have it; its stock is free again.');
    await this.conclude(tx, orderId, ruling);
  }

  /** The vendor is asked to cancel it: a pending order fails once it has, a failed one stands in its books no longer. */
  async cancelAtVendor(tx: Transaction, order: LockedOrder, ruling: Ruling): Promise<void> {
    const { orderId, status } = order;
    if (status === 'failed') await this.orders.requestRecall(tx, orderId);
    else await this.orders.requestCancellation(tx, orderId);
    await this.tell(tx, orderId, 'has the vendor asked to cancel it', ruling);
    await this.sendOnItsWay(tx, order);
    await this.deadLetters.decideAllOf(tx, orderId, 'dismissed', ruling.by);
  }

  /** It is tried anew: what an earlier attempt left open is looked up first. */
  async resend(tx: Transaction, order: LockedOrder, ruling: Ruling): Promise<void> {
    await this.tell(tx, order.orderId, 'has it tried again; attempts and age count anew', ruling);
    await this.sendOnItsWay(tx, order);
    await this.deadLetters.decideAllOf(tx, order.orderId, 'replayed', ruling.by);
  }

  /** A completed order is called otherwise in the vendor's books. */
  async rename(tx: Transaction, { orderId }: LockedOrder, vendorOrderId: string, ruling: Ruling): Promise<void> {
    await this.orders.rename(tx, orderId, vendorOrderId);
    await this.tell(tx, orderId, `takes over the vendor's name of it, ${vendorOrderId}`, ruling);
  }

  /** A decided order stays as it is: the operator has settled it otherwise, and it waits for nobody any more. */
  async letBe(tx: Transaction, { orderId }: LockedOrder, ruling: Ruling): Promise<void> {
    await this.orders.letBe(tx, orderId);
    await this.tell(tx, orderId, 'leaves it as it is', ruling);
    await this.deadLetters.decideAllOf(tx, orderId, 'dismissed', ruling.by);
  }

  /** With fresh patience, and one message. */
  private async sendOnItsWay(tx: Transaction, order: LockedOrder): Promise<void> {
    const { orderId } = order;
    await this.orders.tryAnew(tx, [orderId]);
    if ((await this.outbox.hasten(tx, orderId)) > 0) return;
    await this.outbox.enqueue(tx, [orderPlaced(order)]);
  }

  /** It is certain now what every attempt did, and nothing is left to be sent. */
  private async conclude(tx: Transaction, orderId: string, { by }: Ruling): Promise<void> {
    await this.attempts.closeAll(tx, orderId);
    await this.deadLetters.decideAllOf(tx, orderId, 'dismissed', by);
  }

  private async tell(tx: Transaction, orderId: string, what: string, { by, note }: Ruling): Promise<void> {
    await this.events.add(tx, orderId, 'resolved', `An operator (${by.client}) ${what}: ${note}`);
  }
}
