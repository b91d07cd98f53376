import { Module } from '@nestjs/common';
import { Config } from '../config/config';
import { OutcomesDataSource } from '../database/pools';
import { Vitals } from '../lifecycle/vitals';
import { isTransientDatabaseError as isTransient } from '../database/database-errors';
import { Broker } from './broker';
import { EmbeddedBroker } from './brokers/embedded/embedded.broker';
import { RabbitmqBroker } from './brokers/rabbitmq/rabbitmq.broker';
import { DeadLetterRepository } from './dead-letters/dead-letter.repository';
import { ReplayPaceRepository } from './dead-letters/replay-pace.repository';
import { MessageMetrics } from './message-metrics';
import { Outbox } from './outbox';
import { OutboxRepository } from './outbox.repository';

/** Sending and scheduling messages: what every process may do, with or without a broker. */
@Module({
  providers: [Outbox, OutboxRepository, DeadLetterRepository, ReplayPaceRepository, MessageMetrics],
  exports: [Outbox, OutboxRepository, DeadLetterRepository, ReplayPaceRepository, MessageMetrics],
})
export class MessagingModule {}

/** Moving messages: the worker's part. Whoever imports it starts and stops the broker, in the order the others need. */
@Module({
  imports: [MessagingModule],
  providers: [
    {
      provide: Broker,
      inject: [Config, OutcomesDataSource, Outbox, OutboxRepository, DeadLetterRepository, Vitals, MessageMetrics],
      useFactory: (
        { rabbitmqUrl: url, rabbitmqPrefix: prefix }: Config,
        dataSource: OutcomesDataSource,
        outbox: Outbox,
        repository: OutboxRepository,
        deadLetters: DeadLetterRepository,
        vitals: Vitals,
        metrics: MessageMetrics,
      ): Broker => {
        const common = { dataSource, outbox, repository, deadLetters, vitals, metrics, isTransient };
        return url === undefined ? new EmbeddedBroker(common) : new RabbitmqBroker({ ...common, url, prefix });
      },
    },
  ],
  exports: [Broker],
})
export class MessagingWorkerModule {}
