import { EventEmitter } from 'node:events';
import type { Message } from '../../src/messaging/message';
import { Publisher } from '../../src/messaging/brokers/rabbitmq/publisher';
import { Topology } from '../../src/messaging/brokers/rabbitmq/topology';

const CONFIRM_MS = 5_000;
const message: Message = {
  ...{ messageId: 'm', type: 'order.placed.v1', vendorId: 'acme', subject: 'o', payload: {} },
  ...{ traceparent: null, attempt: 1 },
};

describe('publishing to a broker whose connection stands and that confirms nothing', () => {
  let confirms: boolean;
  let publisher: Publisher;
  let hungUp: jest.SpyInstance;

  beforeEach(() => {
    jest.useFakeTimers();
    confirms = false;
    publisher = new Publisher('amqp://127.0.0.1', new Topology('test'));
    const publish = (...given: unknown[]): void => {
      if (confirms) (given.at(-1) as () => void)();
    };
    jest
      .spyOn(publisher.connection, 'channel', 'get')
      .mockReturnValue(Object.assign(new EventEmitter(), { publish }) as unknown as Publisher['connection']['channel']);
    hungUp = jest.spyOn(publisher.connection, 'hangUp').mockReturnValue(undefined);
  });

  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  async function batch(): Promise<void> {
    const published = publisher.publish([message]);
    await jest.advanceTimersByTimeAsync(CONFIRM_MS);
    expect((await published).stored).toHaveLength(confirms ? 1 : 0);
  }

  it('gives the connection up after three batches in a row, and with it what waits to be confirmed', async () => {
    await batch();
    await batch();
    expect(hungUp).not.toHaveBeenCalled();
    await batch();
    expect(hungUp).toHaveBeenCalledTimes(1);
    for (let again = 0; again < 3; again++) await batch();
    expect(hungUp).toHaveBeenCalledTimes(2);
  });

  it('keeps one on which something is confirmed in between', async () => {
    for (confirms of [false, false, true, false, false]) await batch();
    expect(hungUp).not.toHaveBeenCalled();
  });
});
