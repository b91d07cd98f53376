import { Module } from '@nestjs/common';
import { Agents } from '../../lifecycle/agents';
import { MessagingModule } from '../../messaging/messaging.module';
import { SharedMetrics } from '../../observability/metrics/shared-metrics';
import { OrdersModule } from '../../orders/orders.module';
import { StockModule } from '../../stock/stock.module';
import { SyncModule } from '../../stock/sync/sync.module';
import { VendorsModule } from '../../vendors/vendors.module';
import { ConsistencyModule, ConsistencyWorkerModule } from '../consistency/consistency.module';
import { CandidateRepository } from './candidate.repository';
import { CaseMetrics } from './case-metrics';
import { CaseQueries } from './case-queries';
import { CaseResolution } from './case-resolution';
import { CaseRepository } from './case.repository';
import { CasesController } from './cases.controller';
import { FailureRepository } from './failure.repository';
import { Filing } from './filing';
import { ForgottenOrders } from './forgotten-orders';
import { ListedRepository } from './listed.repository';
import { OrderComparing } from './order-comparing';
import { OrderListReading } from './order-list-reading';
import { OrderFixes } from './order-fixes';
import { OwnBooks } from './own-books';
import { OwnBooksRepository } from './own-books.repository';
import { PartRepository } from './part.repository';
import { ProgressRepository } from './progress.repository';
import { Reconciler } from './reconciler';
import { Reconciliation } from './reconciliation';
import { ReconciliationMetrics } from './reconciliation-metrics';
import { RunQueries } from './run-queries';
import { RunRepository } from './run.repository';
import { RunsController } from './runs.controller';
import { StockFixes } from './stock-fixes';
import { VendorBooks } from './vendor-books';

/** Runs, and the cases they open, as operators see and decide them. */
@Module({
  imports: [MessagingModule, OrdersModule, StockModule, SyncModule, VendorsModule],
  providers: [
    CandidateRepository,
    CaseQueries,
    CaseRepository,
    CaseResolution,
    FailureRepository,
    OrderFixes,
    StockFixes,
    RunQueries,
    RunRepository,
  ],
  exports: [
    CandidateRepository,
    CaseQueries,
    CaseRepository,
    CaseResolution,
    FailureRepository,
    RunQueries,
    RunRepository,
  ],
})
export class ReconciliationModule {}

@Module({ imports: [ReconciliationModule], controllers: [RunsController, CasesController] })
export class ReconciliationApiModule {}

/** Compares our books with the vendors', and with each other. */
@Module({
  imports: [
    ReconciliationModule,
    ConsistencyModule,
    ConsistencyWorkerModule,
    MessagingModule,
    OrdersModule,
    VendorsModule,
  ],
  providers: [
    Reconciler,
    Reconciliation,
    PartRepository,
    OwnBooks,
    OwnBooksRepository,
    VendorBooks,
    OrderComparing,
    OrderListReading,
    ListedRepository,
    ForgottenOrders,
    Filing,
    CaseMetrics,
    ProgressRepository,
    ReconciliationMetrics,
  ],
})
export class ReconciliationWorkerModule {
  constructor(
    agents: Agents,
    reconciler: Reconciler,
    shared: SharedMetrics,
    cases: CaseMetrics,
    progress: ReconciliationMetrics,
  ) {
    agents.register('reconciliation', reconciler);
    shared.register(cases);
    shared.register(progress);
  }
}
