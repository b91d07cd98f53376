import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import { timeBudgets } from '../../config/time-budgets';
import type { Transaction } from '../../database/sql';
import type { Leave } from '../../vendors/breaker/breaker';
import { SlotRepository } from '../../vendors/slot.repository';
import type { Vendor } from '../../vendors/vendor';
import { OrderEventsRepository } from '../order-events.repository';
import { type AttemptHistory, AttemptRepository, type EndedCall } from './attempt.repository';
import { type Claim, ClaimRepository, type Shut, type TakeLimits } from './claim.repository';

/** An order in hand: claimed, with a slot, and everything needed to call its vendor. */
export interface OrderInHand {
  claim: Claim;
  vendor: Vendor;
  leave: Leave;
  history: AttemptHistory;
  /** The purchase may be sent: its attempt is committed. */
  sending: boolean;
  /** Monotonic clock: until then the claim is ours. */
  leasedUntil: number;
}

/** Every slot of the order's vendor is in use. Nothing was taken. */
export class NoFreeSlot extends Error {}

/** The order's vendor may be given no call at all for now. Nothing was taken. */
export class VendorShut extends Error {
  constructor(readonly shut: Shut) {
    super(`${shut.vendor.vendorId} is not to be called`);
  }
}

/** Takes orders in hand: claim, slot and, where a purchase is next, its attempt, committed together before any call. */
@Injectable()
export class OrdersInHand {
  private readonly limits: TakeLimits;

  constructor(
    private readonly dataSource: DataSource,
    private readonly slots: SlotRepository,
    private readonly claims: ClaimRepository,
    private readonly attempts: AttemptRepository,
    private readonly events: OrderEventsRepository,
    { vendorTimeoutMs, deliveryAttemptsMax, deliveryAgeMsMax }: Config,
  ) {
    this.limits = { ...timeBudgets(vendorTimeoutMs), deliveryAttemptsMax, deliveryAgeMsMax };
  }

  /**
   * Answers undefined where there is nothing to dispatch, or somebody else has it in hand. Throws `NoFreeSlot` and
   * `VendorShut`.
   */
  async take(orderId: string): Promise<OrderInHand | undefined> {
    const startedAt = performance.now();
    const taking = await this.claims.take(this.dataSource.manager, orderId, this.limits);
    if (!taking.taken) {
      if (taking.because === 'nothingToDo') return undefined;
      throw taking.because === 'shut' ? new VendorShut(taking.shut) : new NoFreeSlot();
    }
    const { hasSlot, ...taken } = taking;
    const inHand = { ...taken, leasedUntil: startedAt + this.limits.claimLeaseMs };
    if (hasSlot) return inHand;
    await this.giveBack(inHand);
    throw new NoFreeSlot();
  }

  /** Answers whether the order was still in this hand. */
  release(tx: Transaction, claim: Claim): Promise<boolean> {
    return this.claims.release(tx, claim);
  }

  /** An operator is to decide. Answers whether the order was still in this hand. */
  handOver(tx: Transaction, claim: Claim, reason: string): Promise<boolean> {
    return this.claims.handOver(tx, claim, reason);
  }

  /** A call that decided nothing is over; absent after a look-up. */
  async letGo(tx: Transaction, { orderId, vendorId, token }: Claim, call: EndedCall | undefined): Promise<void> {
    if (call) await this.attempts.finish(tx, orderId, token, call);
    await this.slots.free(tx, vendorId, token);
  }

  /** It is certain now what every attempt did. */
  async conclude(tx: Transaction, claim: Claim, call: EndedCall | undefined): Promise<void> {
    await this.letGo(tx, claim, call);
    await this.attempts.closeAll(tx, claim.orderId);
  }

  /** How long somebody else's hand still holds it, in milliseconds; undefined where there is nothing to dispatch. */
  othersLeaseMs(orderId: string): Promise<number | undefined> {
    return this.claims.othersLeaseMs(this.dataSource.manager, orderId);
  }

  /** It is proved that nothing was bought so far: the next to take it may send it. */
  async giveBackProved({ claim, vendor }: OrderInHand): Promise<void> {
    await this.dataSource.transaction(async (tx) => {
      if (await this.claims.release(tx, claim)) {
        await this.attempts.closeAllProved(tx, claim);
        const story = `Looked up: ${vendor.name} does not have it in its books, so nothing was bought; we send it again.`;
        await this.events.add(tx, claim.orderId, 'lookedUp', story);
      }
      await this.slots.free(tx, claim.vendorId, claim.token);
    });
  }

  /** Whether our claim covers a whole call from now on: a process that was frozen in between must not send. */
  coversCall({ leasedUntil }: OrderInHand): boolean {
    return performance.now() + this.limits.vendorTotalMs <= leasedUntil;
  }

  /** Nobody has it in hand any more; an attempt that was made stays open. */
  async giveBack({ claim }: OrderInHand): Promise<void> {
    await this.dataSource.transaction(async (tx) => {
      await this.claims.release(tx, claim);
      await this.slots.free(tx, claim.vendorId, claim.token);
    });
  }
}
