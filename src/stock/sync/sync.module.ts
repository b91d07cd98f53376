import { Module } from '@nestjs/common';
import { VendorsModule } from '../../vendors/vendors.module';
import { ApplyRepository } from './apply.repository';
import { Applying } from './applying';
import { Decision } from './decision';
import { Staging } from './staging';
import { StagingRepository } from './staging.repository';
import { StockSync } from './stock-sync';
import { SyncLeaseRepository } from './sync-lease.repository';
import { SyncRunRepository } from './sync-run.repository';
import { SyncRunQueries } from './sync-run-queries';

/** Polling, and deciding about what a poll brought. */
@Module({
  imports: [VendorsModule],
  providers: [
    ApplyRepository,
    Applying,
    Decision,
    Staging,
    StagingRepository,
    StockSync,
    SyncLeaseRepository,
    SyncRunRepository,
    SyncRunQueries,
  ],
  exports: [Decision, StockSync, SyncRunQueries],
})
export class SyncModule {}
