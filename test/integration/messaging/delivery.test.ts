import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { UnreadableMessage } from '../../../src/messaging/broker';
import { deliver, retryDelayMs } from '../../../src/messaging/delivery';
import type { Message } from '../../../src/messaging/message';
import { MessageMetrics } from '../../../src/messaging/message-metrics';
import { VendorSeries } from '../../../src/observability/metrics/vendor-series';
import { parseMetrics, valueOf } from '../../support/metrics';

const message: Message = {
  messageId: 'm',
  type: 'order.placed.v1',
  vendorId: 'acme',
  subject: 'o',
  payload: {},
  traceparent: null,
  attempt: 1,
};
const patience = { isTransient: () => false, signal: new AbortController().signal, retryDelayMs: () => 0 };

beforeAll(() => Logger.overrideLogger(false));

function failing(times: number, error: unknown) {
  let tries = 0;
  return {
    handler: () => ((tries += 1) <= times ? Promise.reject(error) : Promise.resolve()),
    tries: () => tries,
  };
}

it('waits twice as long before each further try, from 100 ms to 5 s', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8, 100, 5_000].map(retryDelayMs)).toEqual([
    100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000,
  ]);
});

it('gives a message up after five failures that do not pass by themselves, however many passing ones lie between', async () => {
  let tries = 0;
  const handler = () => {
    tries += 1;
    return Promise.reject(new Error(tries % 2 === 0 ? 'lasting' : 'passing'));
  };
  const isTransient = (error: unknown) => (error as Error).message === 'passing';
  expect(await deliver(message, handler, { ...patience, isTransient })).toEqual({
    kind: 'dead',
    cause: 'Handling it failed 5 times: Error: lasting',
  });
  expect(tries).toBe(10);
});

it('gives an unreadable message up at the first try', async () => {
  const { handler, tries } = failing(Infinity, new UnreadableMessage('order.placed.v9'));
  expect(await deliver(message, handler, patience)).toEqual({
    kind: 'dead',
    cause: 'The message cannot be read: order.placed.v9.',
  });
  expect(tries()).toBe(1);
});

it('bears a handler that throws instead of rejecting, and one that rejects with something that is no error', async () => {
  const thrower = () => {
    throw new Error('at once');
  };
  expect(await deliver(message, thrower, patience)).toMatchObject({
    kind: 'dead',
    cause: expect.stringContaining('Error: at once'),
  });
  expect(await deliver(message, failing(Infinity, undefined).handler, patience)).toMatchObject({ kind: 'dead' });
});

it('lets go between two tries when told to, but never within one', async () => {
  const letGo = new AbortController();
  const waits = { ...patience, retryDelayMs: () => 3_600_000, signal: letGo.signal };
  const outcome = deliver(message, failing(1, new Error('once')).handler, waits);
  letGo.abort();
  expect(await outcome).toEqual({ kind: 'interrupted' });
  expect(await deliver(message, failing(0, undefined).handler, waits)).toEqual({ kind: 'done' });
});

describe('the metrics', () => {
  const registry = new Registry();
  const metrics = new MessageMetrics(registry, new VendorSeries());
  const value = async (name: string, labels: Record<string, string> = {}) =>
    valueOf(parseMetrics(await registry.metrics()), name, { vendor: 'acme', ...labels });

  beforeEach(() => registry.resetMetrics());

  it('say how long a message waited, once however often it is tried, and never less than nothing', async () => {
    const twice = failing(2, new Error('twice'));
    await deliver(message, twice.handler, { ...patience, metrics }, Date.now() - 2000);
    expect(await value('holdfast_message_wait_seconds_count')).toBe(1);
    expect(await value('holdfast_message_wait_seconds_sum')).toBeCloseTo(2, 0);
    await deliver(message, failing(0, undefined).handler, { ...patience, metrics }, Date.now() + 60_000);
    await deliver(message, failing(0, undefined).handler, { ...patience, metrics });
    expect(await value('holdfast_message_wait_seconds_count')).toBe(2);
    expect(await value('holdfast_message_wait_seconds_sum')).toBeCloseTo(2, 0);
  });

  it('say how long it was in hand, and what became of it', async () => {
    const letGo = new AbortController();
    const waits = { ...patience, metrics, retryDelayMs: () => 3_600_000, signal: letGo.signal };
    await deliver(message, failing(0, undefined).handler, waits);
    await deliver(message, failing(1, new UnreadableMessage('?')).handler, waits);
    const interrupted = deliver(message, failing(1, new Error('once')).handler, waits);
    letGo.abort();
    await interrupted;
    for (const outcome of ['done', 'dead', 'interrupted'])
      expect(await value('holdfast_message_processing_seconds_count', { outcome })).toBe(1);
  });
});
