import { Module } from '@nestjs/common';
import { Config } from '../config/config';
import { Agents } from '../lifecycle/agents';
import { SharedMetrics } from '../observability/metrics/shared-metrics';
import { ProductCache } from './cache/product-cache';
import { SharedProducts } from './cache/shared-products';
import { ProductQueries } from './product-queries';
import { ProductsController } from './products.controller';
import { StockRepository } from './stock.repository';
import { FreshnessQueries } from './sync/freshness-queries';
import { SyncModule } from './sync/sync.module';
import { SyncScheduler } from './sync/sync-scheduler';
import { SyncsController } from './sync/syncs.controller';

@Module({ providers: [ProductQueries, StockRepository], exports: [ProductQueries, StockRepository] })
export class StockModule {}

@Module({
  imports: [StockModule, SyncModule],
  providers: [
    ProductCache,
    { provide: SharedProducts, inject: [Config], useFactory: (config: Config) => SharedProducts.of(config) },
  ],
  controllers: [ProductsController, SyncsController],
})
export class StockApiModule {}

/** Polls the vendors. */
@Module({ imports: [SyncModule], providers: [SyncScheduler] })
export class StockWorkerModule {
  constructor(agents: Agents, scheduler: SyncScheduler, shared: SharedMetrics, freshness: FreshnessQueries) {
    agents.register('stock sync', scheduler);
    shared.register(freshness);
  }
}
