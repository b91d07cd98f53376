import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import { HealthRegistry } from '../../../src/health/health-registry';
import { Vitals } from '../../../src/lifecycle/vitals';
import type { Broker } from '../../../src/messaging/broker';
import { EmbeddedBroker } from '../../../src/messaging/brokers/embedded/embedded.broker';
import { RabbitmqBroker } from '../../../src/messaging/brokers/rabbitmq/rabbitmq.broker';
import { DeadLetterRepository } from '../../../src/messaging/dead-letters/dead-letter.repository';
import { Outbox } from '../../../src/messaging/outbox';
import { OutboxRepository } from '../../../src/messaging/outbox.repository';

/** A process that takes one message, tells its parent and never finishes: to be killed. */
async function main(): Promise<void> {
  Logger.overrideLogger(false);
  const { VICTIM_DATABASE_URL, VICTIM_RABBITMQ_URL, VICTIM_PREFIX } = process.env;
  const dataSource = await new DataSource({ type: 'postgres', url: VICTIM_DATABASE_URL! }).initialize();
  const repository = new OutboxRepository();
  const deadLetters = new DeadLetterRepository();
  const vitals = new Vitals(new HealthRegistry());
  const common = { dataSource, repository, deadLetters, vitals, outbox: new Outbox(repository), isTransient };
  const broker: Broker = VICTIM_RABBITMQ_URL
    ? new RabbitmqBroker({ ...common, url: VICTIM_RABBITMQ_URL, prefix: VICTIM_PREFIX! })
    : new EmbeddedBroker(common);
  await broker.start();
  await broker.consume('acme', 1, ({ messageId }) => {
    process.send!(messageId);
    return new Promise(() => undefined);
  });
}

void main();
