import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../database/sql';
import { DeadLetterRepository } from '../../messaging/dead-letters/dead-letter.repository';
import type { Message } from '../../messaging/message';
import { Outbox } from '../../messaging/outbox';
import type { Accepted } from '../../vendors/vendor-adapter';
import { OrderEventsRepository } from '../order-events.repository';
import { nextOf } from '../order.messages';
import { type LockedOrder, OrderRepository } from '../order.repository';

/**
 * Orders that a vendor accepted after they had failed here, because an answer came very late or the vendor did not keep its
 * word: the vendor is asked to cancel them, as it would be for a client (`CancellationAtVendor`).
 */
@Injectable()
export class Recalls {
  constructor(
    private readonly orders: OrderRepository,
    private readonly events: OrderEventsRepository,
    private readonly outbox: Outbox,
    private readonly deadLetters: DeadLetterRepository,
  ) {}

  /** `acceptance`: a sentence; `addressEpoch`: the vendor's books that have it. */
  async request(
    tx: Transaction,
    { orderId }: LockedOrder,
    message: Message,
    { acceptance, addressEpoch }: { acceptance: string; addressEpoch: number },
  ): Promise<void> {
    if (!(await this.orders.requestRecall(tx, orderId, addressEpoch))) return;
    const story = `${acceptance} That was after it had failed here: the vendor is asked to cancel it.`;
    await this.events.add(tx, orderId, 'lateAnswer', story);
    await this.outbox.enqueue(tx, [nextOf(message, 0)]);
  }

  /** The vendor does not have it, or no longer. `why` begins a sentence. */
  async end(tx: Transaction, { orderId }: LockedOrder, why: string): Promise<void> {
    if (!(await this.orders.endRecall(tx, orderId))) return;
    await this.events.add(tx, orderId, 'recalled', `${why}: the vendor does not have it any more.`);
  }

  /** The vendor has it and will not cancel it: an operator has to. */
  async refused(tx: Transaction, { orderId, vendorId }: LockedOrder, message: Message, kept: Accepted): Promise<void> {
    if (!(await this.orders.endRecall(tx, orderId))) return;
    const cause = `The vendor has it as ${kept.vendorOrderId} although it has failed here, and will not cancel it.`;
    await this.orders.needAttention(tx, orderId, cause);
    await this.events.add(tx, orderId, 'attentionNeeded', cause);
    const payload = { ...message.payload, vendorOrderId: kept.vendorOrderId };
    await this.deadLetters.insert(tx, { vendorId, orderId, cause, payload });
  }
}
