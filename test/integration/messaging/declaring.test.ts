import { Logger } from '@nestjs/common';
import { RabbitConnection } from '../../../src/messaging/brokers/rabbitmq/connection';
import { declareAlone } from '../../../src/messaging/brokers/rabbitmq/declaring';
import { randomPrefix } from '../../support/rabbitmq';
import { waitFor } from '../../support/wait';

const url = process.env['HOLDFAST_TEST_RABBITMQ_URL']!;
const WORKERS = 5;

beforeAll(() => Logger.overrideLogger(false));

(url ? describe : describe.skip)('declaring a queue from several workers at once', () => {
  let connections: RabbitConnection[];
  let queue: string;

  beforeEach(async () => {
    queue = `${randomPrefix()}.orders.acme`;
    connections = Array.from({ length: WORKERS }, () => new RabbitConnection({ url, purpose: 'consume' }));
    await Promise.all(connections.map((connection) => connection.start()));
    await waitFor(() => connections.every(({ fault }) => fault === undefined), {
      withinMs: 10_000,
      what: 'every connection',
    });
  });

  afterEach(async () => {
    await connections[0]!.onTemporaryChannel((channel) => channel.deleteQueue(queue));
    await Promise.all(connections.map((connection) => connection.close()));
  });

  it('lets one create it, and the others find it', async () => {
    let [atWork, atWorkMax, created] = [0, 0, 0];
    const declare = (connection: RabbitConnection): Promise<void> =>
      declareAlone(connection, queue, async (channel) => {
        atWorkMax = Math.max(atWorkMax, (atWork += 1));
        await connections[0]!.onTemporaryChannel((other) => other.checkQueue(queue)).catch(() => (created += 1));
        await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
        atWork -= 1;
      });
    await Promise.all(connections.map(declare));
    expect([atWorkMax, created]).toEqual([1, 1]);
  });

  it('tells a refusal, and keeps nobody from trying again', async () => {
    const refused = declareAlone(connections[0]!, queue, () => Promise.reject(new Error('406')));
    await expect(refused).rejects.toThrow('406');
    await declareAlone(connections[1]!, queue, async (channel) => void (await channel.assertQueue(queue)));
  });
});
