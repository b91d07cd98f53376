import { Logger } from '@nestjs/common';
import type { SchedulerRegistry } from '@nestjs/schedule';

/** After a failed turn the loop rests this long, so that a broken database is not asked a hundred times a second. */
const REST_AFTER_FAILURE_MS = 1000;

/**
 * Repeats `runOnce`, each turn after the one before has ended: it never overlaps itself. `runOnce` answers how many
 * milliseconds to wait until the next turn. Registered with the scheduler under its name while it runs.
 */
export class Loop {
  private readonly logger: Logger;
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> = Promise.resolve();
  private running = false;

  constructor(
    private readonly name: string,
    private readonly scheduler: SchedulerRegistry,
    private readonly runOnce: () => Promise<number>,
  ) {
    this.logger = new Logger(name);
  }

  start(): void {
    this.running = true;
    this.schedule(0);
  }

  /** Resolves when the turn under way has ended. */
  async stop(): Promise<void> {
    this.running = false;
    this.unschedule();
    await this.turn;
  }

  private schedule(delayMs: number): void {
    if (!this.running) return;
    this.unschedule();
    this.timer = setTimeout(() => {
      this.turn = this.takeTurn();
    }, delayMs);
    this.scheduler.addTimeout(this.name, this.timer);
  }

  private unschedule(): void {
    if (this.scheduler.doesExist('timeout', this.name)) this.scheduler.deleteTimeout(this.name);
    this.timer = undefined;
  }

  private async takeTurn(): Promise<void> {
    try {
      this.schedule(await this.runOnce());
    } catch (error) {
      this.logger.warn({ err: error }, 'A turn failed; it is taken again');
      this.schedule(REST_AFTER_FAILURE_MS);
    }
  }
}
