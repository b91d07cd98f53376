/**
 * Everything that waits on purpose: slow answers, dripping bodies, acceptances that come late. Stopping ends them all.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

export class Waits {
  private readonly stopping = new AbortController();
  private pending = 0;

  constructor() {
    // One listener for each wait under way is what it is meant for, not a leak.
    setMaxListeners(0, this.stopping.signal);
  }

  get underWay(): number {
    return this.pending;
  }

  /** Answers whether the time passed; false when the simulator stops meanwhile. */
  async pass(ms: number): Promise<boolean> {
    this.pending += 1;
    try {
      await delay(ms, undefined, { signal: this.stopping.signal });
      return true;
    } catch {
      return false;
    } finally {
      this.pending -= 1;
    }
  }

  stop(): void {
    this.stopping.abort();
  }
}
