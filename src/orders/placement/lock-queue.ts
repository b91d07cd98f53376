import { setTimeout as pause } from 'node:timers/promises';
import { Overloaded } from '../orders.errors';
import type { Placed } from './answers';
import type { Outcome } from './batch';
import { nextBatchSize, type Settled } from './lane';
import { BUSY_MS_MAX } from '../../stock/stock.repository';
import type { LockedProducts } from './locked-products';
import type { Asked } from './verdict';

/** A client waits so long for a product that something else has locked, and is then told. */
export const LOCK_WAIT_MS_MAX = 2000;
/** Between tries that found everything still locked; the last for all that follow. */
const WAITS_MS = [5, 10, 20, 50];
/** Lines tried together: as many as a lane commits. */
const BATCH = { batchMax: 200, weightOf: ({ lines }: Asked) => lines.length };
/** As many as wait in a lane at most. */
const WAITING_MAX = 2000;

interface Waiting {
  request: Asked;
  /** Monotonic clock. */
  since: number;
  settle: (settled: Settled<Placed>) => void;
}

export interface LockQueueWork {
  /** Leaves out what is locked; answers each in its place, and never rejects. */
  tryAll(batch: Asked[]): Promise<Outcome[]>;
  /** Answers one that has waited as long as it may. Never rejects. */
  giveUp(asked: Asked, locked: string[]): Promise<Settled<Placed>>;
}

/**
 * Where orders wait for products that something else has locked, apart from the orders for all other products. They wait
 * without a connection: all of them are tried together, one try at a time, and a try leaves out what is still locked. Of one
 * product they are tried in arrival order.
 */
export class LockQueue {
  private waiting: Waiting[] = [];
  private underWay = false;

  constructor(
    private readonly work: LockQueueWork,
    private readonly locked: LockedProducts,
  ) {}

  /** Never rejects. */
  submit(asked: Asked): Promise<Settled<Placed>> {
    if (this.waiting.length >= WAITING_MAX) return Promise.resolve({ error: new Overloaded() });
    return new Promise((settle) => {
      this.waiting.push({ request: asked, since: performance.now(), settle });
      if (!this.underWay) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.underWay = true;
    let fruitless = 0;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, nextBatchSize(this.waiting, BATCH));
      const outcomes = await this.work.tryAll(batch.map(({ request }) => request));
      const still: Waiting[] = [];
      for (const [index, each] of batch.entries()) {
        const settled = await this.settled(each, outcomes[index]!);
        if (settled) each.settle(settled);
        else still.push(each);
      }
      // Behind those that were not tried yet, so that everybody has a turn.
      this.waiting.push(...still);
      fruitless = still.length === batch.length ? fruitless + 1 : 0;
      if (fruitless > 0) await pause(WAITS_MS[Math.min(fruitless, WAITS_MS.length) - 1]);
    }
    this.underWay = false;
  }

  /** Undefined where it waits on. */
  private settled(
    { request, since }: Waiting,
    outcome: Outcome,
  ): Promise<Settled<Placed>> | Settled<Placed> | undefined {
    if (!('locked' in outcome)) return outcome;
    const waitedMs = performance.now() - since;
    if (waitedMs > BUSY_MS_MAX) this.locked.noteStuck();
    return waitedMs > LOCK_WAIT_MS_MAX ? this.work.giveUp(request, outcome.locked) : undefined;
  }
}
