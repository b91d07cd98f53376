import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { OutcomesDataSource } from '../database/pools';
import { Config } from '../config/config';
import { timeBudgets } from '../config/time-budgets';
import { Breaker } from './breaker/breaker';
import { type SpareSlot, SlotRepository } from './slot.repository';
import type { CancelAnswer, ChangedOrdersAnswer, LookUpAnswer } from './vendor-adapter';
import type { Vendor } from './vendor';

/** Beside a backlog a slot is free for a moment between two orders, so one is asked for often. */
const SLOT_ASKED_EVERY_MS = 50;
/** Whoever finds none for so long has a vendor that is busy with its orders. */
const SLOT_WAIT_MS_MAX = 30_000;

type SpareAnswer = LookUpAnswer | CancelAnswer | ChangedOrdersAnswer;

/** The vendor was not called. The detail completes "was not asked: …". */
export interface NotAsked {
  outcome: 'not_asked';
  detail: string;
}

/**
 * Calls to a vendor that are of no order's dispatch and can wait: each takes one of the vendor's slots, as an order does,
 * keeps away while it is shut, and tells its breaker how it went.
 */
@Injectable()
export class SpareCalls {
  private readonly leaseMs: number;

  constructor(
    private readonly dataSource: OutcomesDataSource,
    private readonly slots: SlotRepository,
    private readonly breaker: Breaker,
    { vendorTimeoutMs }: Config,
  ) {
    this.leaseMs = timeBudgets(vendorTimeoutMs).claimLeaseMs;
  }

  /** Makes the call where another slot stays free besides its own, and waits for none: for what many do at once. */
  async makeIfIdle<Answer extends SpareAnswer>(
    vendor: Vendor,
    call: () => Promise<Answer>,
  ): Promise<Answer | NotAsked | 'busy'> {
    const slot = await this.slots.takeSpare(this.dataSource.manager, vendor.vendorId, this.leaseMs, 1);
    return slot.token === null && slot.callsAllowed > 0 ? 'busy' : this.makeIn(slot, vendor, call);
  }

  /** Rejects when the signal comes while a slot is waited for. */
  async make<Answer extends SpareAnswer>(
    vendor: Vendor,
    call: () => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer | NotAsked> {
    return this.makeIn(await this.slotOf(vendor.vendorId, signal), vendor, call);
  }

  private async makeIn<Answer extends SpareAnswer>(
    { token, opening, callsAllowed, paused }: SpareSlot,
    { vendorId, name, elsewhere = false }: Vendor,
    call: () => Promise<Answer>,
  ): Promise<Answer | NotAsked> {
    if (token === null) return { outcome: 'not_asked', detail: whyNot(name, paused, callsAllowed) };
    try {
      const leave = { vendorId, operation: 'orders' as const, opening, givenAt: performance.now(), elsewhere };
      return await this.breaker.watch(leave, call);
    } finally {
      await this.slots.free(this.dataSource.manager, vendorId, token);
    }
  }

  private async slotOf(vendorId: string, signal: AbortSignal): Promise<SpareSlot> {
    for (let waitedMs = 0; ; waitedMs += SLOT_ASKED_EVERY_MS) {
      const slot = await this.slots.takeSpare(this.dataSource.manager, vendorId, this.leaseMs);
      if (slot.token !== null || slot.callsAllowed === 0 || waitedMs >= SLOT_WAIT_MS_MAX) return slot;
      await pause(SLOT_ASKED_EVERY_MS, undefined, { signal });
    }
  }
}

function whyNot(name: string, paused: boolean, callsAllowed: number): string {
  if (paused) return `an operator has paused ${name}`;
  if (callsAllowed === 0) return `${name} is left alone for a while, since its calls fail`;
  return `all calls that ${name} allows at once are taken by its orders`;
}
