import { Injectable } from '@nestjs/common';
import { NoFreeSlot } from './orders-in-hand';

/** How soon a slot that another worker has freed is noticed, at first; then twice as long each time. */
const ASKED_AFTER_MS = 50;
/**
 * Half to all of this in the end: some three statements a second for each vendor and worker, however many consumers wait. (Each
 * of them asking by itself, 80 made 1,070 statements a second, in the connections that record outcomes.)
 */
const ASKED_AFTER_MS_MAX = 500;
/**
 * A worker that frees slots takes them again for its next messages. One that gets none at all for so long gives its messages
 * back, for the others to take, after half to all of this.
 */
const WAIT_MS_MAX = 15_000;

/**
 * Consumers of this process that hold a message whose vendor has no free slot, in the order in which they came. Only the
 * first of a vendor asks the database: when one of our own calls to that vendor is over, and now and then, for slots that
 * other workers free.
 */
@Injectable()
export class SlotQueue {
  private readonly queues = new Map<string, Line>();

  /**
   * Asks until there is a free slot, at once where nobody waits. Throws `NoFreeSlot` where there was none for long, and what
   * `ask` throws; rejects with the signal's reason when that comes.
   */
  async taken<Result>(vendorId: string, ask: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    if (this.queues.has(vendorId)) return this.inTurn(vendorId, ask, signal);
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof NoFreeSlot)) throw error;
      return this.inTurn(vendorId, ask, signal);
    }
  }

  /** One of our own calls to the vendor is over. */
  freed(vendorId: string): void {
    this.queues.get(vendorId)?.waiters[0]!.wake();
  }

  private async inTurn<Result>(vendorId: string, ask: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const line = this.queues.get(vendorId) ?? new Line();
    this.queues.set(vendorId, line);
    const { waiters } = line;
    const waiter = new Waiter(signal);
    waiters.push(waiter);
    try {
      while (waiters[0] !== waiter) await waiter.sleep();
      const taken = await this.asFirst(line, waiter, ask);
      line.goesOn();
      return taken;
    } finally {
      waiters.splice(waiters.indexOf(waiter), 1);
      if (waiters.length === 0) this.queues.delete(vendorId);
      // There may be more than the one that was taken.
      waiters[0]?.wake();
    }
  }

  private async asFirst<Result>(line: Line, waiter: Waiter, ask: () => Promise<Result>): Promise<Result> {
    for (let afterMs = ASKED_AFTER_MS; ; afterMs = Math.min(ASKED_AFTER_MS_MAX, 2 * afterMs)) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof NoFreeSlot) || line.standsStill) throw error;
        await waiter.sleep(afterMs * (0.5 + Math.random() / 2));
      }
    }
  }
}

/** Those who wait for a vendor, and until when they do where none of them gets a slot. */
class Line {
  readonly waiters: Waiter[] = [];
  private until = Line.patience();

  private static patience(): number {
    return performance.now() + WAIT_MS_MAX * (0.5 + Math.random() / 2);
  }

  get standsStill(): boolean {
    return performance.now() >= this.until;
  }

  goesOn(): void {
    this.until = Line.patience();
  }
}

/** One consumer, asleep until it is woken. */
class Waiter {
  private woken = false;
  private up: (() => void) | undefined;

  constructor(private readonly signal: AbortSignal) {}

  /** Also where it is not asleep just now: it does not fall asleep the next time. */
  wake(): void {
    this.woken = true;
    this.up?.();
  }

  /** Until it is woken, or so many milliseconds are over. Rejects with the signal's reason when that comes. */
  async sleep(ms?: number): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.woken) await this.untilWoken(ms);
    this.signal.throwIfAborted();
    this.woken = false;
  }

  private untilWoken(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const up = () => {
        clearTimeout(timer);
        this.signal.removeEventListener('abort', up);
        this.up = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(up, ms);
      this.signal.addEventListener('abort', up);
      this.up = up;
    });
  }
}
