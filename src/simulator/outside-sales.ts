/** Somebody else buys at the vendor too, at a rate, while that fault is active. Random products, one unit at a time. */
import type { Faults } from './faults';
import type { Shop } from './shop';

const TICK_MS = 20;
/** A process that was held up sells what it missed of one second, not of its whole sleep. */
const CATCH_UP_MS_MAX = 1_000;

export class OutsideSales {
  private timer: NodeJS.Timeout | undefined;
  private lastMs = 0;
  private due = 0;

  constructor(
    private readonly shop: Pick<Shop, 'sellOutside'>,
    private readonly faults: Faults,
  ) {}

  /** Begins or ends, as the active faults say. */
  follow(): void {
    this.stop();
    if (!this.faults.outsideSales()) return;
    this.lastMs = performance.now();
    this.due = 0;
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const nowMs = performance.now();
    const elapsedMs = Math.min(nowMs - this.lastMs, CATCH_UP_MS_MAX);
    this.lastMs = nowMs;
    try {
      this.runOnce(elapsedMs);
    } catch {
      // The ledger stopped and has said so; there is nothing left to sell from.
      this.stop();
    }
  }

  /** Sells what falls due in this time. */
  runOnce(elapsedMs: number): void {
    const sales = this.faults.outsideSales();
    if (!sales) return this.stop();
    this.due += (sales.perSecond * elapsedMs) / 1_000;
    for (; this.due >= 1; this.due -= 1) {
      if (!this.faults.outsideSales()) return this.stop();
      if (this.shop.sellOutside(sales.random())) sales.sold();
    }
  }
}
