import { Injectable } from '@nestjs/common';
import type { Connection, Transaction } from '../../database/sql';
import type { OutgoingMessage } from '../../messaging/message';
import { Outbox } from '../../messaging/outbox';
import { OrderEventsRepository } from '../order-events.repository';
import { orderPlaced } from '../order.messages';
import { OrderRepository, type OrderStanding } from '../order.repository';

/**
 * Puts orders that were given up back on their way. Nothing is decided here: whoever dispatches them next looks up what
 * an earlier attempt left open before anything is sent, as always.
 */
@Injectable()
export class Revival {
  constructor(
    private readonly orders: OrderRepository,
    private readonly events: OrderEventsRepository,
    private readonly outbox: Outbox,
  ) {}

  /** Those of the ids that are orders. */
  look(on: Connection, orderIds: string[]): Promise<OrderStanding[]> {
    return this.orders.standing(on, orderIds);
  }

  /** The same, and nobody changes them until the transaction ends. */
  lock(tx: Transaction, orderIds: string[]): Promise<OrderStanding[]> {
    return this.orders.lockAll(tx, orderIds);
  }

  /**
   * Gives undecided orders, locked before, fresh patience. Answers the messages they need, for the caller to enqueue in
   * the same transaction: one an order, and none for an order that has its next one waiting.
   */
  async revive(tx: Transaction, orders: OrderStanding[], client: string): Promise<OutgoingMessage[]> {
    if (orders.length === 0) return [];
    const orderIds = orders.map(({ orderId }) => orderId);
    await this.orders.tryAnew(tx, orderIds);
    await this.events.addToAll(
      tx,
      orderIds,
      'replayed',
      `An operator (${client}) has it tried again; attempts and age count anew.`,
    );
    const waiting = new Set(await this.outbox.waiting(tx, orderIds));
    return orders.filter(({ orderId }) => !waiting.has(orderId)).map((order) => orderPlaced(order));
  }
}

/** Something of it is still to be done at its vendor: to place it, or to cancel what was accepted too late. */
export function isUndecided({ status, recalled }: OrderStanding): boolean {
  return status === 'pending' || recalled;
}
