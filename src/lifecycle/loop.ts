import { Injectable, Logger } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Pulse, Vitals } from './vitals';

/** After a failed turn the loop rests this long, so that a broken database is not asked a hundred times a second. */
const REST_AFTER_FAILURE_MS = 1000;

/** Between two turns of a loop that is woken again and again. */
const WOKEN_REST_MS = 100;

/** Makes loops that the scheduler's registry names while they run, and whose turns are watched. */
@Injectable()
export class Loops {
  constructor(
    readonly scheduler: SchedulerRegistry,
    readonly vitals: Vitals,
  ) {}

  /** `runOnce` answers how many milliseconds to wait until the next turn. */
  of(name: string, runOnce: () => Promise<number>): Loop {
    return new Loop(name, this, runOnce);
  }
}

/** Repeats `runOnce`, each turn after the one before has ended: it never overlaps itself. */
export class Loop {
  private readonly logger: Logger;
  private readonly pulse: Pulse;
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> = Promise.resolve();
  private running = false;
  private woken = false;
  private dueAt = 0;
  private turnedAt = 0;
  /** After a failed turn, when nothing is a reason to hurry. */
  private resting = false;

  constructor(
    private readonly name: string,
    private readonly among: Loops,
    private readonly runOnce: () => Promise<number>,
  ) {
    this.logger = new Logger(name);
    this.pulse = new Pulse(name);
  }

  start(): void {
    this.running = true;
    this.among.vitals.watch(this.pulse);
    this.schedule(0);
  }

  /** Resolves when the turn under way has ended. */
  async stop(): Promise<void> {
    this.running = false;
    this.among.vitals.release(this.pulse);
    this.unschedule();
    await this.turn;
  }

  /** There is something to do: the next turn comes soon, a tenth of a second after the one before at the earliest. */
  wake(): void {
    this.woken = true;
    if (this.timer === undefined || this.resting) return;
    const soon = Math.max(0, this.turnedAt + WOKEN_REST_MS - performance.now());
    if (performance.now() + soon < this.dueAt) this.schedule(soon);
  }

  private schedule(delayMs: number): void {
    if (!this.running) return;
    this.unschedule();
    this.dueAt = performance.now() + delayMs;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.turn = this.takeTurn();
    }, delayMs);
    this.among.scheduler.addTimeout(this.name, this.timer);
  }

  private unschedule(): void {
    const { scheduler } = this.among;
    if (scheduler.doesExist('timeout', this.name)) scheduler.deleteTimeout(this.name);
    this.timer = undefined;
  }

  private async takeTurn(): Promise<void> {
    this.woken = false;
    try {
      const delayMs = await this.pulse.turn(this.runOnce);
      this.resting = false;
      this.turnedAt = performance.now();
      this.schedule(this.woken ? Math.min(delayMs, WOKEN_REST_MS) : delayMs);
    } catch (error) {
      this.logger.warn({ err: error }, 'A turn failed; it is taken again');
      this.resting = true;
      this.schedule(REST_AFTER_FAILURE_MS);
    }
  }
}
