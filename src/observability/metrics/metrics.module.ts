import { Global, Module } from '@nestjs/common';
import { Registry } from 'prom-client';
import { Agents } from '../../lifecycle/agents';
import { Exposition } from './exposition';
import { MetricsController } from './metrics.controller';
import { SharedMetrics } from './shared-metrics';
import { SharedMetricsCollector } from './shared-metrics-collector';
import { SharedMetricsRepository } from './shared-metrics.repository';
import { VendorSeries } from './vendor-series';

/** `/metrics`, and the registry in which each room declares what it counts: one a process, and none global. */
@Global()
@Module({
  providers: [
    { provide: Registry, useFactory: () => new Registry() },
    Exposition,
    SharedMetrics,
    SharedMetricsRepository,
    VendorSeries,
  ],
  controllers: [MetricsController],
  exports: [Registry, Exposition, SharedMetrics, SharedMetricsRepository, VendorSeries],
})
export class MetricsModule {}

/** Counts what all processes share. */
@Module({ providers: [SharedMetricsCollector] })
export class MetricsWorkerModule {
  constructor(agents: Agents, collector: SharedMetricsCollector) {
    agents.register('shared metrics', collector);
  }
}
