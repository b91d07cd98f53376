import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { passesAtOnce, patiently, REQUEST_WAITS_MS } from '../../database/patiently';
import type { Transaction } from '../../database/sql';
import { Outbox } from '../../messaging/outbox';
import { StockRepository } from '../../stock/stock.repository';
import type { Order } from '../order';
import { OrderEventsRepository } from '../order-events.repository';
import { orderPlaced } from '../order.messages';
import { OrderQueries } from '../order-queries';
import { type LockedOrder, OrderRepository } from '../order.repository';
import { OrderNotCancellable } from '../orders.errors';
import { AttemptRepository } from './attempt.repository';

/** Orders cancelled in one transaction: whoever buys the product meanwhile waits some tenths of a second. */
const NEWEST_MAX = 100;

/** Between two messages that are sent about a cancellation that is asked for again and again. */
const ASKED_AGAIN_MS_MIN = 60_000;

/**
 * Takes a client's wish to cancel an order. While nothing was sent it is decided here; otherwise the wish is written
 * down, nothing more is sent, and whoever dispatches the order next asks the vendor (`CancellationAtVendor`).
 */
@Injectable()
export class Cancellation {
  constructor(
    private readonly dataSource: DataSource,
    private readonly queries: OrderQueries,
    private readonly stock: StockRepository,
    private readonly orders: OrderRepository,
    private readonly attempts: AttemptRepository,
    private readonly events: OrderEventsRepository,
    private readonly outbox: Outbox,
  ) {}

  /**
   * `decided`: the order is cancelled; otherwise the vendor has to be asked, and the stock stays held until then.
   * Throws `OrderNotFound`, and `OrderNotCancellable` where it is completed or has failed otherwise. A lost connection
   * leaves the COMMIT unknown, and is no reason to say so: whoever cancels what is cancelled hears the same.
   */
  async cancel(orderId: string): Promise<{ order: Order; decided: boolean }> {
    const cancelled = await patiently(() => this.cancelOnce(orderId), REQUEST_WAITS_MS, passesAtOnce);
    this.outbox.wake();
    return cancelled;
  }

  /**
   * Cancels a locked product's newest orders that are still to be placed, until those units are free or asked back, or
   * `NEWEST_MAX` orders were cancelled. Answers them.
   */
  async cancelNewest(tx: Transaction, vendorId: string, productId: string, units: number): Promise<string[]> {
    const orderIds: string[] = [];
    let freed = await this.orders.unitsAskedBack(tx, vendorId, productId);
    for (const { orderId, quantity } of await this.orders.toBePlaced(tx, vendorId, productId, NEWEST_MAX)) {
      if (freed >= units) break;
      orderIds.push(orderId);
      freed += quantity;
    }
    await this.orders.lockAll(tx, orderIds);
    for (const orderId of orderIds) await this.cancelLocked(tx, await this.orders.lock(tx, orderId));
    return orderIds;
  }

  private async cancelOnce(orderId: string): Promise<{ order: Order; decided: boolean }> {
    // An order's product never changes, so it can be read before it is locked.
    const { vendorId, productId } = await this.queries.get(orderId);
    return this.dataSource.transaction(async (tx) => {
      await this.stock.lock(tx, vendorId, productId);
      const decided = await this.cancelLocked(tx, await this.orders.lock(tx, orderId));
      return { order: await this.queries.get(orderId, tx), decided };
    });
  }

  private async cancelLocked(tx: Transaction, order: LockedOrder): Promise<boolean> {
    const { orderId, status, failureReason, cancelRequested, needsAttention } = order;
    if (status === 'failed' && failureReason === 'CANCELLED') return true;
    if (status !== 'pending') throw new OrderNotCancellable(orderId, status);
    if (cancelRequested) {
      if (needsAttention) await this.askAgain(tx, order);
      return false;
    }
    await this.orders.requestCancellation(tx, orderId);
    if (await this.attempts.anySent(tx, orderId)) {
      await this.askVendor(tx, order);
      return false;
    }
    await this.orders.fail(tx, orderId, 'CANCELLED');
    await this.stock.unreserve(tx, order.vendorId, order.productId, order.quantity);
    await this.events.add(tx, orderId, 'cancelled', 'Cancelled before anything was sent; its stock is free again.');
    return true;
  }

  private async askVendor(tx: Transaction, order: LockedOrder): Promise<void> {
    const detail =
      'It may have been sent already, so the vendor is asked to cancel it; its stock stays held until then.';
    await this.events.add(tx, order.orderId, 'cancelRequested', detail);
    // A message that waits for its next try becomes due. Where an operator was asked there is none any more.
    const hastened = await this.outbox.hasten(tx, order.orderId);
    if (hastened === 0 && order.needsAttention) await this.outbox.enqueue(tx, [orderPlaced(order)]);
  }

  /**
   * For an order that waits for an operator the sweeper looks for no message: should the broker have lost it, another request
   * makes another. So often only, and where nobody has it in hand, or there would be one more going round at each request.
   */
  private async askAgain(tx: Transaction, order: LockedOrder): Promise<void> {
    const { orderId, claimed } = order;
    if (claimed || (await this.outbox.holds(tx, orderId))) return void (await this.outbox.hasten(tx, orderId));
    const detail = 'Asked for once more; its message may have been lost, so another one is sent.';
    if (await this.events.addUnlessWithin(tx, orderId, 'cancelRequested', detail, ASKED_AGAIN_MS_MIN))
      await this.outbox.enqueue(tx, [orderPlaced(order)]);
  }
}
