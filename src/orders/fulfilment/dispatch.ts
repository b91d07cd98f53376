import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import { type TimeBudgets, timeBudgets } from '../../config/time-budgets';
import type { Transaction } from '../../database/sql';
import type { Message } from '../../messaging/message';
import { parseProductId } from '../../stock/product';
import { SlotRepository } from '../../vendors/slot.repository';
import type { Vendor } from '../../vendors/vendor';
import type { LookUpAnswer, NotSent, PurchaseAnswer } from '../../vendors/vendor-adapter';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { VendorRepository } from '../../vendors/vendor.repository';
import { OrderEventsRepository } from '../order-events.repository';
import { readOrderPlaced } from '../order.messages';
import { type AttemptHistory, AttemptRepository } from './attempt.repository';
import { backoffMs } from './backoff';
import { type Claim, ClaimRepository } from './claim.repository';
import { Outcome } from './outcome';

/** A consumer whose vendor has no free slot asks again after half to all of this. */
const SLOT_WAIT_MS = 100;

/** An order in hand: claimed, with a slot, and everything needed to call its vendor. */
interface Dispatching {
  claim: Claim;
  vendor: Vendor;
  history: AttemptHistory;
  /** The purchase may be sent: its attempt is committed. */
  sending: boolean;
  /** Monotonic clock: until then the claim is ours. */
  leasedUntil: number;
}

class NoFreeSlot extends Error {}

/**
 * Places an order at its vendor exactly once: claim, slot and attempt are committed before the call; what is not known
 * is looked up before anything is sent again; a definite answer is recorded in one transaction.
 */
@Injectable()
export class Dispatch {
  private readonly logger = new Logger(Dispatch.name);
  private readonly budgets: TimeBudgets;
  private readonly stopping = new AbortController();

  constructor(
    private readonly dataSource: DataSource,
    private readonly registry: VendorRegistry,
    private readonly vendors: VendorRepository,
    private readonly slots: SlotRepository,
    private readonly claims: ClaimRepository,
    private readonly attempts: AttemptRepository,
    private readonly events: OrderEventsRepository,
    private readonly outcome: Outcome,
    private readonly config: Config,
  ) {
    this.budgets = timeBudgets(config.vendorTimeoutMs);
  }

  /** Throws `UnreadableMessage`, and whatever keeps the database from answering. */
  async dispatch(message: Message): Promise<void> {
    const { orderId } = readOrderPlaced(message);
    const dispatching = await this.beginWithSlot(orderId);
    if (!dispatching) return this.leaveToOthers(message, orderId);
    return dispatching.sending ? this.purchase(dispatching, message) : this.lookUp(dispatching, message);
  }

  /** Whoever waits for a slot gives its message back. */
  stop(): void {
    this.stopping.abort();
  }

  /** Without a free slot the consumer keeps its one message and asks again; nothing is requeued or counted. */
  private async beginWithSlot(orderId: string): Promise<Dispatching | undefined> {
    for (;;) {
      try {
        const startedAt = performance.now();
        const begun = await this.dataSource.transaction((tx) => this.begin(tx, orderId));
        return begun && { ...begun, leasedUntil: startedAt + this.budgets.claimLeaseMs };
      } catch (error) {
        if (!(error instanceof NoFreeSlot)) throw error;
        await pause(SLOT_WAIT_MS * (0.5 + Math.random() / 2), undefined, { signal: this.stopping.signal });
      }
    }
  }

  private async begin(tx: Transaction, orderId: string): Promise<Omit<Dispatching, 'leasedUntil'> | undefined> {
    const { claimLeaseMs } = this.budgets;
    const claim = await this.claims.take(tx, orderId, claimLeaseMs);
    if (!claim) return undefined;
    if (!(await this.slots.take(tx, claim.vendorId, claim.token, claimLeaseMs))) throw new NoFreeSlot();
    const vendor = (await this.vendors.find(tx, claim.vendorId))!;
    const history = await this.attempts.historyOf(tx, orderId, vendor.consistencyLagMs);
    const sending = history.open === 0 && this.limitReached(claim, vendor, history) === undefined;
    if (sending) await this.openAttempt(tx, claim, vendor, history);
    return { claim, vendor, history, sending };
  }

  private async openAttempt(tx: Transaction, claim: Claim, vendor: Vendor, { counted }: AttemptHistory): Promise<void> {
    await this.attempts.open(tx, claim.orderId, claim.token, this.budgets.vendorTotalMs);
    await this.events.add(tx, claim.orderId, 'sent', `Sent to ${vendor.name}, purchase ${counted + 1}.`);
  }

  /** Nothing to do for an order that is decided. One that somebody else has claimed is looked at when the claim ends. */
  private async leaveToOthers(message: Message, orderId: string): Promise<void> {
    const leaseMs = await this.claims.othersLeaseMs(this.dataSource.manager, orderId);
    if (leaseMs !== undefined) await this.outcome.comeBack(message, leaseMs + SLOT_WAIT_MS * Math.random());
  }

  private async purchase(dispatching: Dispatching, message: Message): Promise<void> {
    const { claim, vendor } = dispatching;
    const answer = await this.callPurchase(dispatching);
    this.log('Sent', claim, message, answer);
    switch (answer.outcome) {
      case 'accepted':
        return this.outcome.accepted(claim, answer);
      case 'refused':
        return this.outcome.refused(claim, answer);
      case 'unknown':
      case 'not_sent': {
        const delayMs = this.delayAfter(message, answer.outcome === 'unknown' ? answer.retryAfterMs : undefined);
        const counted = answer.outcome === 'unknown' && !answer.rateLimited;
        const next = answer.outcome === 'unknown' ? 'we look it up' : 'we send it again';
        const story = `${vendor.name} ${answer.detail}; ${next} in ${seconds(delayMs)}.`;
        const type = answer.outcome === 'unknown' ? 'unknown' : 'notSent';
        return this.outcome.putOff(claim, message, { ...answer, counted }, [type, story], delayMs);
      }
    }
  }

  /** Sends only while our claim covers the whole call: a process that was frozen in between must not. */
  private async callPurchase({ claim, vendor, leasedUntil }: Dispatching): Promise<PurchaseAnswer> {
    if (performance.now() + this.budgets.vendorTotalMs > leasedUntil) {
      return { outcome: 'not_sent', detail: 'was not called: our claim would not have covered the call' };
    }
    const { orderId: reference, quantity, productId } = claim;
    const { sku } = parseProductId(productId)!;
    return this.registry.adapterOf(vendor).purchase(vendor, { reference, sku, quantity });
  }

  private async lookUp(dispatching: Dispatching, message: Message): Promise<void> {
    const { claim, vendor, history } = dispatching;
    if (history.open === 0) return this.giveUp(dispatching, message);
    const answer = await this.registry.adapterOf(vendor).lookUp(vendor, claim.orderId);
    this.log('Looked up', claim, message, answer);
    switch (answer.outcome) {
      case 'accepted':
        return this.outcome.accepted(claim, answer);
      case 'refused':
        return this.outcome.refused(claim, answer);
      case 'not_found':
        return history.provableInMs <= 0
          ? this.sendAfterAll(dispatching, message)
          : this.lookUpLater(dispatching, message, answer);
      case 'pending':
      case 'unknown':
        return this.lookUpLater(dispatching, message, answer);
    }
  }

  /** The look-up has proved that nothing was bought so far. */
  private async sendAfterAll(dispatching: Dispatching, message: Message): Promise<void> {
    const { claim, vendor, history } = dispatching;
    const { claimLeaseMs } = this.budgets;
    const startedAt = performance.now();
    const limit = this.limitReached(claim, vendor, history);
    const ours = await this.dataSource.transaction(async (tx) => {
      if (!(await this.claims.extend(tx, claim, claimLeaseMs))) return false;
      if (!(await this.slots.extend(tx, claim.vendorId, claim.token, claimLeaseMs))) return false;
      await this.attempts.closeAll(tx, claim.orderId);
      if (limit === undefined) await this.openAttempt(tx, claim, vendor, history);
      return true;
    });
    if (!ours) return this.leaveToOthers(message, claim.orderId);
    if (limit !== undefined) return this.giveUp(dispatching, message);
    return this.purchase({ ...dispatching, leasedUntil: startedAt + claimLeaseMs }, message);
  }

  private async lookUpLater(dispatching: Dispatching, message: Message, answer: LookUpAnswer): Promise<void> {
    const { claim, vendor, history } = dispatching;
    if (claim.ageMs > this.config.deliveryAgeMsMax) return this.giveUp(dispatching, message);
    const found = 'detail' in answer ? answer.detail : 'does not have it in its books';
    // A look-up at the moment when "not found" begins to prove something is worth more than a later one.
    const waitMs = this.delayAfter(message, 'retryAfterMs' in answer ? answer.retryAfterMs : undefined);
    const delayMs = history.provableInMs > 0 ? Math.min(waitMs, history.provableInMs) : waitMs;
    const story = `Looked up: ${vendor.name} ${found}; we look again in ${seconds(delayMs)}.`;
    return this.outcome.putOff(claim, message, undefined, ['lookedUp', story], delayMs);
  }

  private giveUp({ claim, vendor, history }: Dispatching, message: Message): Promise<void> {
    const limit = this.limitReached(claim, vendor, history) ?? 'The vendor cannot tell whether it has it.';
    return this.outcome.giveUp(claim, message, limit);
  }

  /** Why nothing may be sent any more, or undefined. */
  private limitReached({ ageMs }: Claim, vendor: Vendor, { counted }: AttemptHistory): string | undefined {
    const attemptsMax = vendor.deliveryAttemptsMax ?? this.config.deliveryAttemptsMax;
    if (counted >= attemptsMax) return `${vendor.name} gave no definite answer to ${counted} purchases sent.`;
    if (ageMs <= this.config.deliveryAgeMsMax) return undefined;
    return `${vendor.name} gave no definite answer within ${seconds(this.config.deliveryAgeMsMax)}.`;
  }

  private log(
    what: string,
    { orderId, vendorId }: Claim,
    { messageId, attempt }: Message,
    answer: LookUpAnswer | NotSent,
  ): void {
    const detail = 'detail' in answer ? answer.detail : undefined;
    this.logger.log({ orderId, vendorId, messageId, attempt, outcome: answer.outcome, detail }, what);
  }

  private delayAfter({ attempt }: Message, askedForMs = 0): number {
    const { retryDelayMsBase, retryDelayMsMax } = this.config;
    return Math.max(askedForMs, backoffMs(attempt, retryDelayMsBase, retryDelayMsMax));
  }
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
