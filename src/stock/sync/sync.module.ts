import { Module } from '@nestjs/common';
import { VendorsModule } from '../../vendors/vendors.module';
import { ApplyRepository } from './apply.repository';
import { Applying } from './applying';
import { Decision } from './decision';
import { FreshnessQueries } from './freshness-queries';
import { Staging } from './staging';
import { StagingRepository } from './staging.repository';
import { StockSync } from './stock-sync';
import { SyncLeaseRepository } from './sync-lease.repository';
import { SyncMetrics } from './sync-metrics';
import { SyncRunRepository } from './sync-run.repository';
import { Holding } from './holding';
import { Withheld } from './withheld';
import { WithheldRepository } from './withheld.repository';
import { SyncRunQueries } from './sync-run-queries';

/** Polling, and deciding about what a poll brought. */
@Module({
  imports: [VendorsModule],
  providers: [
    ApplyRepository,
    Applying,
    Decision,
    FreshnessQueries,
    Holding,
    Staging,
    StagingRepository,
    StockSync,
    SyncLeaseRepository,
    SyncMetrics,
    SyncRunRepository,
    SyncRunQueries,
    Withheld,
    WithheldRepository,
  ],
  exports: [Decision, FreshnessQueries, StockSync, SyncMetrics, SyncRunQueries],
})
export class SyncModule {}
