/** What moves a vendor's stock besides our orders, at a rate, while that fault is active: one unit at a time. */
import type { Traffic } from './fault-kinds';
import type { Faults } from './faults';

const TICK_MS = 20;
/** A process that was held up catches up on what it missed of one second, not of its whole sleep. */
const CATCH_UP_MS_MAX = 1_000;

export class StockTraffic {
  private timer: NodeJS.Timeout | undefined;
  private lastMs = 0;
  private due = 0;

  constructor(
    private readonly name: Traffic,
    private readonly faults: Faults,
    /** Moves one unit at a place of the listing between 0 and 1; answers whether it could. */
    private readonly moveOne: (place: number) => boolean,
  ) {}

  /** Begins or ends, as the active faults say. */
  follow(): void {
    this.stop();
    if (!this.faults.traffic(this.name)) return;
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
      // The ledger stopped and has said so; there is nothing left to move.
      this.stop();
    }
  }

  /** Moves what falls due in this time. */
  runOnce(elapsedMs: number): void {
    const traffic = this.faults.traffic(this.name);
    if (!traffic) return this.stop();
    this.due += (traffic.perSecond * elapsedMs) / 1_000;
    for (; this.due >= 1; this.due -= 1) {
      if (!this.faults.traffic(this.name)) return this.stop();
      if (this.moveOne(traffic.random())) traffic.happened();
    }
  }
}
