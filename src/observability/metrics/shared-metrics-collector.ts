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
/** How often a worker looks whether a count is due. */
const LOOK_EVERY_MS = 2000;
/** A count that takes longer is broken off, and its gauges are absent: it must never weigh on orders. */
const STATEMENT_MS_MAX = 2000;

/** Counts the state that all processes share, one worker for all. */
@Injectable()
export class SharedMetricsCollector implements Agent {
  private readonly logger = new Logger(SharedMetricsCollector.name);
  private readonly loop: Loop;
  private readonly failing = new Set<SharedSource>();

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
    if (!(await this.leases.take(this.dataSource.manager, 'shared-metrics', COUNT_EVERY_MS))) return;
    const samples: Sample[] = [];
    for (const source of this.shared.sources) samples.push(...(await this.count(source)));
    await this.repository.write(this.dataSource.manager, samples);
  }

  /** One that fails costs the others nothing. */
  private async count(source: SharedSource): Promise<Sample[]> {
    try {
      const samples = await this.dataSource.transaction(async (tx) => {
        await tx.query(`SET LOCAL statement_timeout = ${STATEMENT_MS_MAX}`);
        return source.count(tx);
      });
      this.failing.delete(source);
      return samples;
    } catch (error) {
      const names = source.gauges.map(({ name }) => name).join(', ');
      if (!this.failing.has(source)) this.logger.warn({ err: error }, `Not counted: ${names}`);
      this.failing.add(source);
      return [];
    }
  }
}
