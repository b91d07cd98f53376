import type { Logger } from '@nestjs/common';

/** While something lasts it is said again this often: a log is read by its end. */
const AGAIN_MS = 60_000;

/** Says what is wrong when it begins, once a minute while it lasts, and when it is over; never a line for each vendor. */
export class FaultLog {
  private saidAt: number | undefined;

  constructor(
    private readonly logger: Logger,
    private readonly over: string,
  ) {}

  say(fault: string | undefined, now = performance.now()): void {
    if (fault === undefined) {
      if (this.saidAt !== undefined) this.logger.log(this.over);
      this.saidAt = undefined;
    } else if (this.saidAt === undefined || now - this.saidAt >= AGAIN_MS) {
      this.logger.error(fault);
      this.saidAt = now;
    }
  }
}
