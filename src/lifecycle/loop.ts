import { Injectable, Logger } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Pulse, Vitals } from './vitals';

/** After a failed turn the loop rests this long, so that a broken database is not asked a hundred times a second. */
const REST_AFTER_FAILURE_MS = 1000;

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

  private schedule(delayMs: number): void {
    if (!this.running) return;
    this.unschedule();
    this.timer = setTimeout(() => {
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
    try {
      this.schedule(await this.pulse.turn(this.runOnce));
    } catch (error) {
      this.logger.warn({ err: error }, 'A turn failed; it is taken again');
      this.schedule(REST_AFTER_FAILURE_MS);
    }
  }
}
