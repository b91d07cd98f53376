import { Module } from '@nestjs/common';
import { Agents } from '../lifecycle/agents';
import { SharedMetrics } from '../observability/metrics/shared-metrics';
import { MessagingModule, MessagingWorkerModule } from '../messaging/messaging.module';
import { StockModule } from '../stock/stock.module';
import { VendorsModule } from '../vendors/vendors.module';
import { AttentionQueries } from './attention-queries';
import { CheckoutsController } from './checkouts.controller';
import { AcceptanceRepository } from './fulfilment/acceptance.repository';
import { AttemptRepository } from './fulfilment/attempt.repository';
import { Cancellation } from './fulfilment/cancellation';
import { CancellationAtVendor } from './fulfilment/cancellation-at-vendor';
import { ClaimRepository } from './fulfilment/claim.repository';
import { Dispatch } from './fulfilment/dispatch';
import { ConsumerMetrics } from './fulfilment/consumer-metrics';
import { DispatchConsumers } from './fulfilment/dispatch-consumers';
import { Intervention } from './fulfilment/intervention';
import { OpenWork } from './fulfilment/open-work.repository';
import { OrdersInHand } from './fulfilment/orders-in-hand';
import { Outcome } from './fulfilment/outcome';
import { Patience } from './fulfilment/patience';
import { SlotQueue } from './fulfilment/slot-queue';
import { Recalls } from './fulfilment/recalls';
import { Revival } from './fulfilment/revival';
import { SweepRepository } from './fulfilment/sweep.repository';
import { Sweeper } from './fulfilment/sweeper';
import { SweeperMetrics } from './fulfilment/sweeper-metrics';
import { OrderEventsRepository } from './order-events.repository';
import { OrderQueries } from './order-queries';
import { OrderRepository } from './order.repository';
import { OrdersController } from './orders.controller';
import { Batch } from './placement/batch';
import { IdempotencyRepository } from './placement/idempotency.repository';
import { KeyExpiry } from './placement/key-expiry';
import { Placement } from './placement/placement';
import { PlacementMetrics } from './placement/placement-metrics';
import { PlacementRepository } from './placement/placement.repository';

@Module({
  imports: [StockModule, MessagingModule],
  providers: [
    OrderRepository,
    OrderEventsRepository,
    OrderQueries,
    IdempotencyRepository,
    PlacementRepository,
    Batch,
    Placement,
    PlacementMetrics,
    SweeperMetrics,
    AttemptRepository,
    Cancellation,
    Intervention,
    Revival,
    SweepRepository,
  ],
  exports: [
    OrderRepository,
    OrderEventsRepository,
    IdempotencyRepository,
    AttemptRepository,
    Placement,
    PlacementMetrics,
    SweeperMetrics,
    Cancellation,
    Intervention,
    Revival,
    SweepRepository,
    OrderQueries,
  ],
})
export class OrdersModule {}

@Module({ imports: [OrdersModule], controllers: [OrdersController, CheckoutsController] })
export class OrdersApiModule {}

/** Places orders at their vendors, and tidies up behind placement. */
@Module({
  imports: [OrdersModule, StockModule, VendorsModule, MessagingModule, MessagingWorkerModule],
  providers: [
    Dispatch,
    DispatchConsumers,
    OpenWork,
    OrdersInHand,
    CancellationAtVendor,
    Outcome,
    AcceptanceRepository,
    Patience,
    SlotQueue,
    Recalls,
    Sweeper,
    ClaimRepository,
    KeyExpiry,
    ConsumerMetrics,
    AttentionQueries,
  ],
})
export class OrdersWorkerModule {
  constructor(
    agents: Agents,
    consumers: DispatchConsumers,
    sweeper: Sweeper,
    shared: SharedMetrics,
    attention: AttentionQueries,
  ) {
    agents.register('dispatch', consumers);
    agents.register('sweeper', sweeper);
    shared.register(attention);
  }
}
