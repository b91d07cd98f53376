import { Module } from '@nestjs/common';
import { Agents } from '../lifecycle/agents';
import { MessagingModule, MessagingWorkerModule } from '../messaging/messaging.module';
import { OrdersModule } from '../orders/orders.module';
import { StockModule } from '../stock/stock.module';
import { SyncModule } from '../stock/sync/sync.module';
import { VendorsModule } from '../vendors/vendors.module';
import { Consistency } from './consistency/consistency';
import { ConsistencyController } from './consistency/consistency.controller';
import { CountRepository } from './consistency/count.repository';
import { Counter } from './consistency/counter';
import { Counting } from './consistency/counting';
import { LostMessages } from './consistency/lost-messages';
import { RowCheckRepository } from './consistency/row-check.repository';
import { DeadLetterQueries } from './dead-letters/dead-letter-queries';
import { DeadLettersController } from './dead-letters/dead-letters.controller';
import { Decision } from './dead-letters/decision';
import { Replay } from './dead-letters/replay';
import { QueueQueries } from './queues/queue-queries';
import { QueuesController } from './queues/queues.controller';
import { CandidateRepository } from './reconciliation/candidate.repository';
import { CaseQueries } from './reconciliation/case-queries';
import { CaseResolution } from './reconciliation/case-resolution';
import { CaseRepository } from './reconciliation/case.repository';
import { CasesController } from './reconciliation/cases.controller';
import { OrderFixes } from './reconciliation/order-fixes';
import { OwnBooks } from './reconciliation/own-books';
import { OwnBooksRepository } from './reconciliation/own-books.repository';
import { Reconciler } from './reconciliation/reconciler';
import { Reconciliation } from './reconciliation/reconciliation';
import { RunQueries } from './reconciliation/run-queries';
import { RunRepository } from './reconciliation/run.repository';
import { RunsController } from './reconciliation/runs.controller';
import { StockFixes } from './reconciliation/stock-fixes';
import { VendorBooks } from './reconciliation/vendor-books';

/** What operators see and mend. */
@Module({
  imports: [MessagingModule, OrdersModule, StockModule, SyncModule, VendorsModule],
  providers: [
    DeadLetterQueries,
    Decision,
    Replay,
    QueueQueries,
    CandidateRepository,
    CaseQueries,
    CaseRepository,
    CaseResolution,
    OrderFixes,
    StockFixes,
    RunQueries,
    RunRepository,
    Consistency,
    Counting,
    CountRepository,
    RowCheckRepository,
  ],
  exports: [
    DeadLetterQueries,
    Replay,
    QueueQueries,
    CandidateRepository,
    CaseQueries,
    CaseRepository,
    CaseResolution,
    RunQueries,
    RunRepository,
    Consistency,
    Counting,
    CountRepository,
    RowCheckRepository,
  ],
})
export class OperationsModule {}

@Module({
  imports: [OperationsModule],
  controllers: [DeadLettersController, QueuesController, RunsController, CasesController, ConsistencyController],
})
export class OperationsApiModule {}

/** Compares our books with the vendors', and with each other. */
@Module({
  imports: [OperationsModule, OrdersModule, VendorsModule, MessagingWorkerModule],
  providers: [Reconciler, Reconciliation, OwnBooks, OwnBooksRepository, VendorBooks, LostMessages, Counter],
  exports: [LostMessages],
})
export class OperationsWorkerModule {
  constructor(agents: Agents, reconciler: Reconciler, counter: Counter) {
    agents.register('reconciliation', reconciler);
    agents.register('consistency', counter);
  }
}
