import { Pulse, type Vitals } from '../lifecycle/vitals';

/** Between two looks while there is work: short beside a vendor's answer, long enough for rows to gather into a batch. */
const BUSY_DELAY_MS = 10;
/** Between two looks when nothing has been due for a while: what a message of another process waits at most. */
const IDLE_DELAY_MS_MAX = 250;
/** Between two looks while looking fails. */
const FAILED_DELAY_MS = 1_000;

export interface PollingObserver {
  failed(error: unknown): void;
  recovered(): void;
}

/**
 * Looks again and again, never twice at once: soon after finding something, ever more rarely after finding nothing, at
 * once when woken. One look (`runOnce`, answering how much it found) is the whole work and can be called by itself.
 */
export class Polling {
  private running: Promise<void> | undefined;
  private stopping = false;
  private woken = false;
  private failing = false;
  private interrupt: () => void = () => undefined;

  private readonly pulse: Pulse;

  constructor(
    name: string,
    private readonly vitals: Vitals,
    private readonly runOnce: () => Promise<number>,
    private readonly observer: PollingObserver,
  ) {
    this.pulse = new Pulse(name);
  }

  start(): void {
    this.vitals.watch(this.pulse);
    this.running ??= this.run();
  }

  wake(): void {
    this.woken = true;
    this.interrupt();
  }

  /** Resolves when the look under way has ended; there is none after it. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.vitals.release(this.pulse);
    this.interrupt();
    await this.running;
  }

  private async run(): Promise<void> {
    let delayMs = BUSY_DELAY_MS;
    while (!this.stopping) {
      this.woken = false;
      const found = await this.look();
      if (found === undefined) delayMs = FAILED_DELAY_MS;
      else if (found > 0) delayMs = BUSY_DELAY_MS;
      else delayMs = Math.min(delayMs * 2, IDLE_DELAY_MS_MAX);
      // A wake while looking may speak of a row that the look came too early for. One while failing is no reason to hurry.
      if (!this.woken || found === undefined) await this.pause(delayMs);
    }
  }

  /** How much was found; undefined when looking failed. */
  private async look(): Promise<number | undefined> {
    try {
      const found = await this.pulse.turn(this.runOnce);
      if (this.failing) this.observer.recovered();
      this.failing = false;
      return found;
    } catch (error) {
      if (!this.failing) this.observer.failed(error);
      this.failing = true;
      return undefined;
    }
  }

  private pause(delayMs: number): Promise<void> {
    if (this.stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.interrupt = () => {
        if (this.failing && !this.stopping) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
