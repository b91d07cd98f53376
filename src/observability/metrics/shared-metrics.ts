import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Connection } from '../../database/sql';
import { Exposition, type ReadGauge, type Sample } from './exposition';
import { SharedMetricsRepository } from './shared-metrics.repository';

/** An older value is not told: it would hide that nobody counts any more. */
const AGE_MS_MAX = 15_000;

/** What one room knows of the state that all processes share. */
export interface SharedSource {
  readonly gauges: readonly ReadGauge[];
  /** Counted by one worker for all, every few seconds: by an index, or of few rows. */
  count(on: Connection): Promise<Sample[]>;
}

/**
 * State of the whole installation. One worker counts it for all (`SharedMetricsCollector`); every process in which rooms
 * have registered sources tells what was counted last, so it is aggregated with `max` over them.
 */
@Injectable()
export class SharedMetrics implements OnModuleInit {
  readonly sources: SharedSource[] = [];

  constructor(
    private readonly dataSource: DataSource,
    private readonly repository: SharedMetricsRepository,
    private readonly exposition: Exposition,
  ) {}

  register(source: SharedSource): void {
    this.sources.push(source);
  }

  /** The rooms have registered theirs by now. */
  onModuleInit(): void {
    const gauges = this.sources.flatMap((source) => source.gauges);
    if (gauges.length === 0) return;
    this.exposition.ask(gauges, () => this.repository.read(this.dataSource.manager, AGE_MS_MAX));
  }
}
