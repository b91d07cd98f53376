import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import { EmbeddedBroker } from '../../../src/messaging/brokers/embedded/embedded.broker';
import { brokerContract } from './broker-contract';

const SUITE_TIMEOUT_MS = 60_000;

jest.setTimeout(SUITE_TIMEOUT_MS);

describe('the embedded broker', () => {
  brokerContract(({ dataSource, outbox, repository, deadLetters, vitals }) =>
    Promise.resolve({
      broker: (options) =>
        new EmbeddedBroker({ dataSource, outbox, repository, deadLetters, vitals, isTransient, ...options }),
      environment: {},
      remove: () => Promise.resolve(),
    }),
  );
});
