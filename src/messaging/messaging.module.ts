import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../config/config';
import { Vitals } from '../lifecycle/vitals';
import { isTransientDatabaseError as isTransient } from '../database/database-errors';
import { Broker } from './broker';
import { EmbeddedBroker } from './brokers/embedded/embedded.broker';
import { RabbitmqBroker } from './brokers/rabbitmq/rabbitmq.broker';
import { DeadLetterRepository } from './dead-letters/dead-letter.repository';
import { ReplayPaceRepository } from './dead-letters/replay-pace.repository';
import { Outbox } from './outbox';
import { OutboxRepository } from './outbox.repository';

/** Sending and scheduling messages: what every process may do, with or without a broker. */
@Module({
  providers: [Outbox, OutboxRepository, DeadLetterRepository, ReplayPaceRepository],
  exports: [Outbox, OutboxRepository, DeadLetterRepository, ReplayPaceRepository],
})
export class MessagingModule {}

/** Moving messages: the worker's part. Whoever imports it starts and stops the broker, in the order the others need. */
@Module({
  imports: [MessagingModule],
  providers: [
    {
      provide: Broker,
      inject: [Config, DataSource, Outbox, OutboxRepository, DeadLetterRepository, Vitals],
      useFactory: (
        { rabbitmqUrl: url, rabbitmqPrefix: prefix }: Config,
        dataSource: DataSource,
        outbox: Outbox,
        repository: OutboxRepository,
        deadLetters: DeadLetterRepository,
        vitals: Vitals,
      ): Broker =>
        url === undefined
          ? new EmbeddedBroker({ dataSource, outbox, repository, deadLetters, vitals, isTransient })
          : new RabbitmqBroker({ dataSource, outbox, repository, deadLetters, vitals, url, prefix, isTransient }),
    },
  ],
  exports: [Broker],
})
export class MessagingWorkerModule {}
