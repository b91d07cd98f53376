import { Module } from '@nestjs/common';
import { MessagingModule } from '../messaging/messaging.module';
import { OrdersModule } from '../orders/orders.module';
import { DeadLetterQueries } from './dead-letters/dead-letter-queries';
import { DeadLettersController } from './dead-letters/dead-letters.controller';
import { Decision } from './dead-letters/decision';
import { Replay } from './dead-letters/replay';
import { QueueQueries } from './queues/queue-queries';
import { QueuesController } from './queues/queues.controller';

/** What operators see and mend. */
@Module({
  imports: [MessagingModule, OrdersModule],
  providers: [DeadLetterQueries, Decision, Replay, QueueQueries],
  exports: [DeadLetterQueries, Replay, QueueQueries],
})
export class OperationsModule {}

@Module({ imports: [OperationsModule], controllers: [DeadLettersController, QueuesController] })
export class OperationsApiModule {}
