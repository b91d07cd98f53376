import { setMaxListeners } from 'node:events';
import { Injectable, Logger } from '@nestjs/common';
import { isTransientDatabaseError } from '../../database/database-errors';
import { labelsOf, type Message } from '../../messaging/message';
import { parseProductId } from '../../stock/product';
import type { LookUpAnswer, NotSent, PurchaseAnswer, Unknown } from '../../vendors/vendor-adapter';
import { Breaker } from '../../vendors/breaker/breaker';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { readOrderPlaced } from '../order.messages';
import { CancellationAtVendor } from './cancellation-at-vendor';
import { NoFreeSlot, type OrderInHand, OrdersInHand, VendorShut } from './orders-in-hand';
import { Outcome } from './outcome';
import { Patience, seconds } from './patience';
import { SlotQueue } from './slot-queue';

/** Over so long are spread the messages that come again when somebody else's claim has ended, or for a slot. */
const COME_BACK_SPREAD_MS = 100;

/**
 * Places an order at its vendor exactly once: claim, slot and attempt are committed before the call; what is not known
 * is looked up before anything is sent again; a definite answer is recorded in one transaction.
 */
@Injectable()
export class Dispatch {
  private readonly logger = new Logger(Dispatch.name);
  private readonly stopping = new AbortController();

  constructor(
    private readonly ordersInHand: OrdersInHand,
    private readonly registry: VendorRegistry,
    private readonly breaker: Breaker,
    private readonly cancellation: CancellationAtVendor,
    private readonly outcome: Outcome,
    private readonly patience: Patience,
    private readonly slotQueue: SlotQueue,
  ) {
    // One listener for each consumer that waits for a slot: their number is bounded by the vendors' slots.
    setMaxListeners(0, this.stopping.signal);
  }

  /**
   * Answers whether its vendor is shut, so that the order waits. Throws `UnreadableMessage`, and whatever keeps the database
   * from answering.
   */
  async dispatch(message: Message): Promise<boolean> {
    try {
      await this.attend(message);
      return false;
    } catch (error) {
      if (error instanceof NoFreeSlot) {
        await this.outcome.waitForSlot(message, COME_BACK_SPREAD_MS * Math.random());
        return false;
      }
      if (!(error instanceof VendorShut)) throw error;
      await this.outcome.waitFor(error.shut, message, this.patience.delayMsWhile(error.shut));
      return true;
    }
  }

  /** Whoever waits for a slot gives its message back. */
  stop(): void {
    this.stopping.abort();
  }

  private async attend(message: Message): Promise<void> {
    const { orderId } = readOrderPlaced(message);
    const take = () => this.ordersInHand.take(orderId);
    const inHand = await this.slotQueue.taken(message.vendorId, take, this.stopping.signal);
    if (!inHand) return this.leaveToOthers(message, orderId);
    try {
      await this.place(inHand, message);
    } catch (error) {
      // What fails for a reason of its own fails again each time: behind our own claim nobody would count how often.
      const nothingTaken = error instanceof VendorShut || error instanceof NoFreeSlot;
      if (!nothingTaken && !isTransientDatabaseError(error)) await this.ordersInHand.giveBack(inHand);
      throw error;
    } finally {
      this.slotQueue.freed(message.vendorId);
    }
  }

  private place(inHand: OrderInHand, message: Message): Promise<void> {
    if (inHand.claim.cancelRequested || inHand.claim.recalling) return this.cancellation.ask(inHand, message);
    return inHand.sending ? this.purchase(inHand, message) : this.lookUp(inHand, message);
  }

  /** Nothing to do for an order that is decided. One that somebody else has claimed is looked at when the claim ends. */
  private async leaveToOthers(message: Message, orderId: string): Promise<void> {
    const leaseMs = await this.ordersInHand.othersLeaseMs(orderId);
    if (leaseMs !== undefined) await this.outcome.comeBack(message, leaseMs + COME_BACK_SPREAD_MS * Math.random());
  }

  private async purchase(inHand: OrderInHand, message: Message): Promise<void> {
    const { claim } = inHand;
    const answer = await this.callPurchase(inHand);
    this.log('Sent', message, answer);
    switch (answer.outcome) {
      case 'accepted':
        return this.outcome.accepted(claim, message, answer);
      case 'refused':
        return this.outcome.refused(claim, answer);
      // It is looked up until it is decided, like every other that is not known.
      case 'pending':
        return this.putOff(inHand, message, { ...answer, outcome: 'unknown' });
      case 'unknown':
      case 'not_sent':
        return this.putOff(inHand, message, answer);
    }
  }

  private putOff({ claim, vendor }: OrderInHand, message: Message, answer: Unknown | NotSent): Promise<void> {
    const delayMs = this.patience.delayMsAfter(message, answer.outcome === 'unknown' ? answer.retryAfterMs : 0);
    const counted = answer.outcome === 'unknown' && !answer.rateLimited;
    const next = answer.outcome === 'unknown' ? 'we look it up' : 'we send it again';
    const story = `${vendor.name} ${answer.detail}; ${next} in ${seconds(delayMs)}.`;
    const type = answer.outcome === 'unknown' ? 'unknown' : 'notSent';
    return this.outcome.putOff(claim, message, { ...answer, counted }, [type, story], delayMs);
  }

  private async callPurchase(inHand: OrderInHand): Promise<PurchaseAnswer> {
    const { claim, vendor, leave } = inHand;
    if (!this.ordersInHand.coversCall(inHand)) {
      return { outcome: 'not_sent', detail: 'was not called: our claim would not have covered the call' };
    }
    const { orderId: reference, quantity, productId } = claim;
    const { sku } = parseProductId(productId)!;
    const adapter = this.registry.adapterOf(vendor);
    return this.breaker.watch(leave, () => adapter.purchase(vendor, { reference, sku, quantity }));
  }

  private async lookUp(inHand: OrderInHand, message: Message): Promise<void> {
    const { claim, vendor, leave, history } = inHand;
    if (history.open === 0) return this.giveUp(inHand, message);
    const adapter = this.registry.adapterOf(vendor);
    const answer = await this.breaker.watch(leave, () => adapter.lookUp(vendor, claim.orderId));
    this.log('Looked up', message, answer);
    switch (answer.outcome) {
      case 'accepted':
        return this.outcome.accepted(claim, message, answer);
      case 'refused':
        return this.outcome.refused(claim, answer);
      case 'not_found':
        return history.provableInMs <= 0
          ? this.sendAfterAll(inHand, message)
          : this.lookUpLater(inHand, message, answer);
      case 'pending':
      case 'unknown':
        return this.lookUpLater(inHand, message, answer);
    }
  }

  /** The look-up has proved that nothing was bought so far. */
  private async sendAfterAll(inHand: OrderInHand, message: Message): Promise<void> {
    await this.ordersInHand.giveBackProved(inHand);
    this.slotQueue.freed(message.vendorId);
    return this.attend(message);
  }

  private async lookUpLater(inHand: OrderInHand, message: Message, answer: LookUpAnswer): Promise<void> {
    const { claim, vendor, history } = inHand;
    if (claim.tooOld) return this.giveUp(inHand, message);
    const found = 'detail' in answer ? answer.detail : 'does not have it in its books';
    const askedForMs = 'retryAfterMs' in answer ? answer.retryAfterMs : 0;
    const delayMs = this.patience.delayMsToLookUp(message, history, askedForMs);
    const story = `Looked up: ${vendor.name} ${found}; we look again in ${seconds(delayMs)}.`;
    return this.outcome.putOff(claim, message, undefined, ['lookedUp', story], delayMs);
  }

  private giveUp({ claim, vendor, history }: OrderInHand, message: Message): Promise<void> {
    const limit = this.patience.limitReached(claim, vendor, history) ?? 'The vendor cannot tell whether it has it.';
    return this.outcome.giveUp(claim, message, limit);
  }

  private log(what: string, message: Message, answer: LookUpAnswer | NotSent): void {
    const detail = 'detail' in answer ? answer.detail : undefined;
    const { attempt } = message;
    this.logger.log({ ...labelsOf(message), attempt, outcome: answer.outcome, detail }, what);
  }
}
