import { connect } from 'amqplib';
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

function open({ dataSource, outbox, repository }: MessagingFixture): Promise<Transport> {
  const prefix = randomPrefix();
  return Promise.resolve({
    broker: (options) => new RabbitmqBroker({ dataSource, outbox, repository, url, prefix, isTransient, ...options }),
    environment: { VICTIM_RABBITMQ_URL: url, VICTIM_PREFIX: prefix },
    deadLetters: deadLetterReader(prefix),
    remove: () => removePrefix(url, prefix, VENDORS),
  });
}

/** Takes what is in the dead-letter queue and remembers it. */
function deadLetterReader(prefix: string): () => Promise<unknown[]> {
  const payloads: unknown[] = [];
  return async () => {
    const connection = await connect(url);
    const channel = await connection.createChannel();
    for (let letter = await channel.get(`${prefix}.dead`); letter; letter = await channel.get(`${prefix}.dead`)) {
      payloads.push(JSON.parse(letter.content.toString()));
      channel.ack(letter);
    }
    await channel.close();
    await connection.close();
    return payloads;
  };
}
