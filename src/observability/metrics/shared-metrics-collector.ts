import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { LeaseRepository } from '../../database/lease.repository';
import type { Agent } from '../../lifecycle/agents';
import { type Loop, Loops } from '../../lifecycle/loop';
import type { Sample } from './exposition';
import { SharedMetrics, type SharedSource } from './shared-metrics';
import { SharedMetricsRepository } from './shared-metrics.repository';

/** Also the lease: should the one who counts die, the next count is no later than this and one look. */
const COUNT_EVERY_MS = 5000;
/** The same where counting takes long; the next count still comes before the last is too old to be told. */
const COUNT_EVERY_MS_MAX = 10_000;
/** Of one of the database's cores, as far as these limits allow: 100,000 undecided orders take a fifth of a second. */
const SHARE_MAX = 1 / 20;
/** How often a worker looks whether a count is due. */
const LOOK_EVERY_MS = 2000;
/** A count that takes longer is broken off, its gauges are absent, and it rests: it must never weigh on orders. */
const STATEMENT_MS_MAX = 2000;

/** Counts the state that all processes share, one worker for all. */
@Injectable()
export class SharedMetricsCollector implements Agent {
  private readonly logger = new Logger(SharedMetricsCollector.name);
  private readonly loop: Loop;
  /** What failed, and until when it is left alone. Monotonic. */
  private readonly resting = new Map<SharedSource, number>();
  private everyMs = COUNT_EVERY_MS;

  constructor(
    private readonly dataSource: DataSource,
    private readonly leases: LeaseRepository,
    private readonly shared: SharedMetrics,
    private readonly repository: SharedMetricsRepository,
    loops: Loops,
  ) {
    this.loop = loops.of('shared-metrics', async () => {
      await this.runOnce();
      return LOOK_EVERY_MS;
    });
  }

  start(): void {
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
  }

  /** Counts, if nobody else has just done so. */
  async runOnce(): Promise<void> {
    if (!(await this.leases.take(this.dataSource.manager, 'shared-metrics', this.everyMs))) return;
    const startedAt = performance.now();
    const samples: Sample[] = [];
    for (const source of this.shared.sources) samples.push(...(await this.count(source)));
    await this.repository.write(this.dataSource.manager, samples);
    this.everyMs = Math.min(COUNT_EVERY_MS_MAX, Math.max(COUNT_EVERY_MS, restAfter(startedAt)));
  }

  /** One that fails costs the others nothing. */
  private async count(source: SharedSource): Promise<Sample[]> {
    const startedAt = performance.now();
    if (startedAt < (this.resting.get(source) ?? 0)) return [];
    try {
      const samples = await this.dataSource.transaction(async (tx) => {
        await tx.query(`SET LOCAL statement_timeout = ${STATEMENT_MS_MAX}`);
        return source.count(tx);
      });
      this.resting.delete(source);
      return samples;
    } catch (error) {
      const names = source.gauges.map(({ name }) => name).join(', ');
      if (!this.resting.has(source)) this.logger.warn({ err: error }, `Not counted: ${names}`);
      this.resting.set(source, performance.now() + restAfter(startedAt));
      return [];
    }
  }
}

/** In whole milliseconds, as leases are. */
function restAfter(startedAt: number): number {
  return Math.ceil((performance.now() - startedAt) / SHARE_MAX);
}
