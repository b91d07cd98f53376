import { Module } from '@nestjs/common';
import { Agents } from '../lifecycle/agents';
import { VendorsModule } from '../vendors/vendors.module';
import { ProductCache } from './cache/product-cache';
import { SharedProducts } from './cache/shared-products';
import { ProductQueries } from './product-queries';
import { ProductsController } from './products.controller';
import { StockRepository } from './stock.repository';
import { ApplyRepository } from './sync/apply.repository';
import { StagingRepository } from './sync/staging.repository';
import { StockSync } from './sync/stock-sync';
import { SyncLeaseRepository } from './sync/sync-lease.repository';
import { SyncRunRepository } from './sync/sync-run.repository';
import { SyncScheduler } from './sync/sync-scheduler';

@Module({ providers: [ProductQueries, StockRepository], exports: [ProductQueries, StockRepository] })
export class StockModule {}

@Module({ imports: [StockModule], providers: [ProductCache, SharedProducts], controllers: [ProductsController] })
export class StockApiModule {}

/** Polls the vendors. */
@Module({
  imports: [VendorsModule],
  providers: [StockSync, SyncScheduler, SyncLeaseRepository, SyncRunRepository, StagingRepository, ApplyRepository],
  exports: [StockSync],
})
export class StockWorkerModule {
  constructor(agents: Agents, scheduler: SyncScheduler) {
    agents.register('stock sync', scheduler);
  }
}
