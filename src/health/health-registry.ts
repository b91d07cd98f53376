import { Injectable } from '@nestjs/common';

/** Who is not ready when the check fails: whoever answers requests, or whoever works through messages. */
export type Duty = 'api' | 'worker';

/** Answers what is wrong in one sentence, or undefined; further figures are shown as they are. */
export type ReadinessCheck = () => Promise<{ obstacle?: string; [figure: string]: unknown }>;

/** The rooms say here what they need to be ready. */
@Injectable()
export class HealthRegistry {
  readonly checks: { name: string; duties: readonly Duty[]; check: ReadinessCheck }[] = [];

  register(name: string, duties: readonly Duty[], check: ReadinessCheck): void {
    this.checks.push({ name, duties, check });
  }
}
