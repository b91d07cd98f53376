import { Module } from '@nestjs/common';
import { MessagingModule } from '../messaging/messaging.module';
import { SharedMetrics } from '../observability/metrics/shared-metrics';
import { OrdersModule } from '../orders/orders.module';
import { ConsistencyApiModule, ConsistencyWorkerModule } from './consistency/consistency.module';
import { DeadLetterMetrics } from './dead-letters/dead-letter-metrics';
import { DeadLetterQueries } from './dead-letters/dead-letter-queries';
import { DeadLettersController } from './dead-letters/dead-letters.controller';
import { Decision } from './dead-letters/decision';
import { Dismissal } from './dead-letters/dismissal';
import { Replay } from './dead-letters/replay';
import { QueueMetrics } from './queues/queue-metrics';
import { QueueQueries } from './queues/queue-queries';
import { QueuesController } from './queues/queues.controller';
import { ReconciliationApiModule, ReconciliationWorkerModule } from './reconciliation/reconciliation.module';

/** What operators see and mend. */
@Module({
  imports: [MessagingModule, OrdersModule],
  providers: [DeadLetterQueries, Decision, Dismissal, Replay, QueueQueries],
  exports: [DeadLetterQueries, Dismissal, Replay, QueueQueries],
})
export class OperationsModule {}

@Module({
  imports: [OperationsModule, ReconciliationApiModule, ConsistencyApiModule],
  controllers: [DeadLettersController, QueuesController],
})
export class OperationsApiModule {}

/** Counts what operators see, and finds out what differs. */
@Module({
  imports: [OperationsModule, ReconciliationWorkerModule, ConsistencyWorkerModule],
  providers: [QueueMetrics, DeadLetterMetrics],
})
export class OperationsWorkerModule {
  constructor(shared: SharedMetrics, queues: QueueMetrics, deadLetters: DeadLetterMetrics) {
    shared.register(queues);
    shared.register(deadLetters);
  }
}
