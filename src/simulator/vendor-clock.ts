/**
 * The vendor's clock: it never goes back, whatever happens to the machine's clock or to a skew that is switched on and
 * off. That is what makes `asOf` a lower bound: an order accepted after a listing never carries an earlier time than
 * it. Honest limit: only what the ledger holds survives a restart, so a machine whose own clock is set back while the
 * simulator is down can see a time twice.
 */

/**
 * A clock that finds itself ahead runs at half speed until the true time has caught up, as `adjtime` does. Standing
 * still was rejected: an hour of skew switched off would then give every order and listing of the next hour one
 * single time, and nobody could tell any more which listing contains which order.
 */
const SPEED_WHEN_AHEAD = 0.5;

export interface TimeSource {
  wallMs(): number;
  /** Counts on evenly and is never set. */
  steadyMs(): number;
}

export const machineTime: TimeSource = { wallMs: () => Date.now(), steadyMs: () => performance.now() };

export class VendorClock {
  private steadyMsAtLast: number;

  /** @param lastMs the latest time that was ever handed out; the clock goes on from there. */
  constructor(
    private lastMs: number,
    private readonly skewMs: () => number,
    private readonly time: TimeSource,
  ) {
    this.steadyMsAtLast = time.steadyMs();
  }

  /** Whole milliseconds since 1970; two readings may be equal, a later one is never smaller. */
  now(): number {
    const steadyMs = this.time.steadyMs();
    const slowestMs = this.lastMs + (steadyMs - this.steadyMsAtLast) * SPEED_WHEN_AHEAD;
    this.lastMs = Math.max(this.time.wallMs() + this.skewMs(), slowestMs);
    this.steadyMsAtLast = steadyMs;
    return Math.floor(this.lastMs);
  }

  /** Whether this reading is one the machine's clock will show again later, so that only the ledger can remember it. */
  isAhead(readingMs: number): boolean {
    return readingMs > this.time.wallMs();
  }
}
