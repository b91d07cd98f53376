import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import { RabbitmqBroker } from '../../../src/messaging/brokers/rabbitmq/rabbitmq.broker';
import type { MessagingFixture } from '../../integration/messaging/messaging-fixture';
import { randomPrefix, removePrefix } from '../../support/rabbitmq';
import { brokerContract, type Transport } from './broker-contract';

const SUITE_TIMEOUT_MS = 60_000;
const VENDORS = ['acme', 'globex', 'initech', 'hanging', 'working', 'other'];
const url = process.env.HOLDFAST_TEST_RABBITMQ_URL!;

jest.setTimeout(SUITE_TIMEOUT_MS);

(url ? describe : describe.skip)('the RabbitMQ broker', () => {
  brokerContract(open);
});

function open({ dataSource, outbox, repository, deadLetters, vitals }: MessagingFixture): Promise<Transport> {
  const prefix = randomPrefix();
  return Promise.resolve({
    broker: (options) =>
      new RabbitmqBroker({ dataSource, outbox, repository, deadLetters, vitals, url, prefix, isTransient, ...options }),
    environment: { VICTIM_RABBITMQ_URL: url, VICTIM_PREFIX: prefix },
    remove: () => removePrefix(url, prefix, VENDORS),
  });
}
