import { Module } from '@nestjs/common';
import { Agents } from '../../lifecycle/agents';
import { MessagingWorkerModule } from '../../messaging/messaging.module';
import { SharedMetrics } from '../../observability/metrics/shared-metrics';
import { OrdersModule } from '../../orders/orders.module';
import { Consistency } from './consistency';
import { ConsistencyController } from './consistency.controller';
import { ConsistencyMetrics } from './consistency-metrics';
import { CountRepository } from './count.repository';
import { Counter } from './counter';
import { Counting } from './counting';
import { LostMessages } from './lost-messages';
import { RowCheckRepository } from './row-check.repository';

/** Whether what is always true is true. */
@Module({
  providers: [Consistency, Counting, CountRepository, RowCheckRepository],
  exports: [Consistency, Counting, CountRepository, RowCheckRepository],
})
export class ConsistencyModule {}

@Module({ imports: [ConsistencyModule], controllers: [ConsistencyController] })
export class ConsistencyApiModule {}

/** Counts it, one worker for all. */
@Module({
  imports: [ConsistencyModule, OrdersModule, MessagingWorkerModule],
  providers: [Counter, LostMessages, ConsistencyMetrics],
  exports: [LostMessages],
})
export class ConsistencyWorkerModule {
  constructor(agents: Agents, counter: Counter, shared: SharedMetrics, metrics: ConsistencyMetrics) {
    agents.register('consistency', counter);
    shared.register(metrics);
  }
}
