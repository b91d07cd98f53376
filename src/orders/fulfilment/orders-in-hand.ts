import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import { type TimeBudgets, timeBudgets } from '../../config/time-budgets';
import type { Transaction } from '../../database/sql';
import { SlotRepository } from '../../vendors/slot.repository';
import type { Vendor } from '../../vendors/vendor';
import { VendorRepository } from '../../vendors/vendor.repository';
import { OrderEventsRepository } from '../order-events.repository';
import { type AttemptHistory, AttemptRepository } from './attempt.repository';
import { type Claim, ClaimRepository } from './claim.repository';
import { Patience } from './patience';

/** An order in hand: claimed, with a slot, and everything needed to call its vendor. */
export interface OrderInHand {
  claim: Claim;
  vendor: Vendor;
  history: AttemptHistory;
  /** The purchase may be sent: its attempt is committed. */
  sending: boolean;
  /** Monotonic clock: until then the claim is ours. */
  leasedUntil: number;
}

/** Every slot of the order's vendor is in use. Nothing was taken. */
export class NoFreeSlot extends Error {}

/** Takes orders in hand: claim, slot and, where a purchase is next, its attempt, committed together before any call. */
@Injectable()
export class OrdersInHand {
  private readonly budgets: TimeBudgets;

  constructor(
    private readonly dataSource: DataSource,
    private readonly vendors: VendorRepository,
    private readonly slots: SlotRepository,
    private readonly claims: ClaimRepository,
    private readonly attempts: AttemptRepository,
    private readonly events: OrderEventsRepository,
    private readonly patience: Patience,
    { vendorTimeoutMs }: Config,
  ) {
    this.budgets = timeBudgets(vendorTimeoutMs);
  }

  /** Answers undefined where there is nothing to dispatch, or somebody else has it in hand. Throws `NoFreeSlot`. */
  async take(orderId: string): Promise<OrderInHand | undefined> {
    const startedAt = performance.now();
    const taken = await this.dataSource.transaction((tx) => this.begin(tx, orderId));
    return taken && { ...taken, leasedUntil: startedAt + this.budgets.claimLeaseMs };
  }

  /** How long somebody else's hand still holds it, in milliseconds; undefined where there is nothing to dispatch. */
  othersLeaseMs(orderId: string): Promise<number | undefined> {
    return this.claims.othersLeaseMs(this.dataSource.manager, orderId);
  }

  /**
   * It is proved that nothing was bought so far: closes the attempts and opens the next one. Answers undefined where the
   * order is no longer ours to send: the claim has run out, or its cancellation was asked for.
   */
  async sendAgain(inHand: OrderInHand): Promise<OrderInHand | undefined> {
    const { claim, vendor, history } = inHand;
    const startedAt = performance.now();
    const limit = this.patience.limitReached(claim, vendor, history);
    const ours = await this.dataSource.transaction(async (tx) => {
      if (!(await this.claims.extendToSend(tx, claim, this.budgets.claimLeaseMs))) return false;
      if (!(await this.slots.extend(tx, claim.vendorId, claim.token, this.budgets.claimLeaseMs))) return false;
      await this.attempts.closeAll(tx, claim.orderId);
      if (limit === undefined) await this.openAttempt(tx, claim, vendor, history);
      return true;
    });
    if (!ours) return undefined;
    return { ...inHand, sending: limit === undefined, leasedUntil: startedAt + this.budgets.claimLeaseMs };
  }

  async giveBack({ claim }: OrderInHand): Promise<void> {
    await this.dataSource.transaction(async (tx) => {
      await this.claims.release(tx, claim);
      await this.slots.free(tx, claim.vendorId, claim.token);
    });
  }

  /** Whether our claim covers a whole call from now on: a process that was frozen in between must not send. */
  coversCall({ leasedUntil }: OrderInHand): boolean {
    return performance.now() + this.budgets.vendorTotalMs <= leasedUntil;
  }

  private async begin(tx: Transaction, orderId: string): Promise<Omit<OrderInHand, 'leasedUntil'> | undefined> {
    const { claimLeaseMs } = this.budgets;
    const claim = await this.claims.take(tx, orderId, claimLeaseMs);
    if (!claim) return undefined;
    if (!(await this.slots.take(tx, claim.vendorId, claim.token, claimLeaseMs))) throw new NoFreeSlot();
    const vendor = (await this.vendors.find(tx, claim.vendorId))!;
    const history = await this.attempts.historyOf(tx, orderId, vendor.consistencyLagMs);
    const mayBeSent = history.open === 0 && !claim.cancelRequested;
    const sending = mayBeSent && this.patience.limitReached(claim, vendor, history) === undefined;
    if (sending) await this.openAttempt(tx, claim, vendor, history);
    return { claim, vendor, history, sending };
  }

  private async openAttempt(tx: Transaction, claim: Claim, vendor: Vendor, { counted }: AttemptHistory): Promise<void> {
    await this.attempts.open(tx, claim.orderId, claim.token, this.budgets.vendorTotalMs);
    await this.events.add(tx, claim.orderId, 'sent', `Sent to ${vendor.name}, purchase ${counted + 1}.`);
  }
}
