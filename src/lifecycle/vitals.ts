import { Injectable } from '@nestjs/common';
import { HealthRegistry } from '../health/health-registry';

const TICK_MS = 1000;
/** Beyond every pause between two turns, and what a broken connection takes to be replaced. */
const SILENT_SECONDS_MAX = 45;
/** Whatever a turn waits for has a deadline of its own, and all of them together are shorter. */
const TURN_SECONDS_MAX = 300;

/** The turns of one loop. Time is counted in ticks: a process that was frozen is not judged by what it slept through. */
export class Pulse {
  silentSeconds = 0;
  turnSeconds = 0;
  private turning = false;

  constructor(readonly name: string) {}

  async turn<Result>(take: () => Promise<Result>): Promise<Result> {
    this.turning = true;
    try {
      const result = await take();
      this.silentSeconds = 0;
      return result;
    } finally {
      this.turning = false;
      this.turnSeconds = 0;
    }
  }

  tick(): void {
    this.silentSeconds += TICK_MS / 1000;
    if (this.turning) this.turnSeconds += TICK_MS / 1000;
  }
}

/** A turn that never ends. */
export class LoopHangs extends Error {
  constructor({ name, turnSeconds }: Pulse) {
    super(`The loop ${name} has hung for ${turnSeconds} s`);
  }
}

/**
 * Whether what this process does in the background still moves. A loop without a successful turn for a while makes the
 * process not ready; one that hangs cannot be mended from inside and ends it, so that a supervisor starts another.
 */
@Injectable()
export class Vitals {
  private readonly pulses = new Set<Pulse>();
  private ticking: NodeJS.Timeout | undefined;

  constructor(health: HealthRegistry) {
    health.register('loops', ['worker'], () => Promise.resolve(this.state()));
  }

  watch(pulse: Pulse): void {
    this.pulses.add(pulse);
    this.ticking ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  release(pulse: Pulse): void {
    this.pulses.delete(pulse);
    if (this.pulses.size > 0) return;
    clearInterval(this.ticking);
    this.ticking = undefined;
  }

  /** Throws `LoopHangs`, where nobody catches it. */
  tick(): void {
    for (const pulse of this.pulses) {
      pulse.tick();
      if (pulse.turnSeconds > TURN_SECONDS_MAX) throw new LoopHangs(pulse);
    }
  }

  private state(): { obstacle?: string; silentSeconds: Record<string, number> } {
    const pulses = [...this.pulses];
    const silent = pulses.find(({ silentSeconds }) => silentSeconds > SILENT_SECONDS_MAX);
    const silentSeconds = Object.fromEntries(pulses.map((pulse) => [pulse.name, pulse.silentSeconds]));
    return silent
      ? { obstacle: `${silent.name} has done nothing for ${silent.silentSeconds} s`, silentSeconds }
      : { silentSeconds };
  }
}
