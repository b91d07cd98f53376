import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../../config/config';
import type { Agent } from '../../lifecycle/agents';
import { type Loop, Loops } from '../../lifecycle/loop';
import { StockSync } from './stock-sync';
import type { SyncLease } from './sync-lease.repository';
import { SyncMetrics } from './sync-metrics';

/** Vendors one worker polls at once. Most of a poll is waiting for the vendor. */
const RUNS_MAX = 32;
/**
 * Of these, vendors whose last poll failed. One that hangs does so until its deadline, every time: however many of them
 * there are, the others find room.
 */
const SUSPECT_RUNS_MAX = 16;
/**
 * Of these, vendors whose last poll took long, well as it ended: one that drips may do so for minutes, every time. With the
 * suspects they leave a quarter of the places to all the others.
 */
const SLOW_RUNS_MAX = 8;
/** A million rows take about as long. */
const SLOW_MS = 30_000;
/** How often we look which vendor is due. */
const LOOK_EVERY_MS = 200;
/** Polls are spread by up to this share of the interval, so that vendors registered together drift apart. */
const JITTER_SHARE = 0.1;

/** Polls each vendor at its interval, one run a vendor at a time over all workers (the lease sees to that). */
@Injectable()
export class SyncScheduler implements Agent {
  readonly limits = { runs: RUNS_MAX, suspectRuns: SUSPECT_RUNS_MAX, slowRuns: SLOW_RUNS_MAX, slowMs: SLOW_MS };
  private readonly logger = new Logger(SyncScheduler.name);
  private readonly loop: Loop;
  private readonly underWay = new Map<Promise<void>, SyncLease>();
  private stopping = new AbortController();

  constructor(
    private readonly sync: StockSync,
    private readonly config: Config,
    private readonly metrics: SyncMetrics,
    loops: Loops,
  ) {
    this.loop = loops.of('stock-sync', () => this.runOnce());
  }

  start(): void {
    this.stopping = new AbortController();
    this.loop.start();
  }

  /** Breaks polls off: what was not applied is polled again by whoever comes next. */
  async stop(): Promise<void> {
    // First: where more vendors are due than can be polled, a turn would find one more for ever.
    this.stopping.abort();
    await this.loop.stop();
    await Promise.all(this.underWay.keys());
  }

  /** Starts what is due, as far as there is room. */
  async runOnce(): Promise<number> {
    while (this.underWay.size < this.limits.runs && !this.stopping.signal.aborted) {
      const lease = await this.sync.takeDue(this.hasRoomFor());
      if (!lease) break;
      const run = this.poll(lease).finally(() => this.underWay.delete(run));
      this.underWay.set(run, lease);
    }
    return LOOK_EVERY_MS;
  }

  private hasRoomFor(): { suspects: boolean; slow: boolean } {
    const leases = [...this.underWay.values()];
    return {
      suspects: leases.filter(({ suspect }) => suspect).length < this.limits.suspectRuns,
      slow: leases.filter(({ slow }) => slow).length < this.limits.slowRuns,
    };
  }

  private async poll(lease: SyncLease): Promise<void> {
    const startedAt = performance.now();
    try {
      const result = await this.sync.run(lease, this.stopping.signal);
      const spentMs = performance.now() - startedAt;
      this.metrics.count(lease.vendor.vendorId, result, spentMs);
      await this.sync.release(lease, this.delayUntilNext(lease, spentMs), spentMs > this.limits.slowMs);
    } catch (error) {
      this.logger.warn({ err: error, vendorId: lease.vendor.vendorId }, 'A stock sync could not be recorded');
    }
  }

  private delayUntilNext({ vendor }: SyncLease, spentMs: number): number {
    const intervalMs = vendor.syncIntervalMs ?? this.config.stockSyncIntervalMs;
    return Math.max(0, intervalMs * (1 - JITTER_SHARE * Math.random()) - spentMs);
  }
}
