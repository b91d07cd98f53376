import type { ConsumeMessage } from 'amqplib';
import { deadLetterOf } from '../../src/messaging/brokers/rabbitmq/dead-message';

const ORDER = '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d';
const KB = 1024;

function delivery(
  content: string | Buffer,
  properties: Record<string, unknown> = {},
  fields: Record<string, unknown> = {},
): ConsumeMessage {
  return {
    content: Buffer.from(content),
    properties: { headers: {}, ...properties },
    fields: { routingKey: '', ...fields },
  } as unknown as ConsumeMessage;
}

const letterOf = (...of: Parameters<typeof delivery>) => deadLetterOf(delivery(...of), undefined, 'why');

describe('what is kept of a message', () => {
  it('is all that one of ours says', () => {
    const headers = { vendorId: 'acme', subject: ORDER, attempt: 3, traceparent: '00-1-2-03', 'x-death': [{}] };
    const letter = letterOf(`{"orderId":"${ORDER}"}`, { messageId: 'm', type: 'order.placed.v9', headers });
    const { 'x-death': _, ...own } = headers;
    expect(letter).toMatchObject({ vendorId: 'acme', orderId: ORDER, cause: 'why' });
    expect(letter.payload).toEqual({ ...own, messageId: 'm', type: 'order.placed.v9', payload: { orderId: ORDER } });
  });

  it.each([
    ['text', 'not JSON', { body: 'not JSON', encoding: 'utf8', bytes: 8 }],
    ['a JSON value that is no object', '[1]', { body: '[1]', encoding: 'utf8', bytes: 3 }],
    ['nothing', '', { body: '', encoding: 'utf8', bytes: 0 }],
    ['bytes', Buffer.from([0xff, 0x00, 0xfe]), { body: '/wD+', encoding: 'base64', bytes: 3 }],
  ])('of a body that is %s is that', (_, content, body) => {
    expect(letterOf(content).payload).toEqual(body);
  });

  it('of a body of 20 megabytes is the beginning, and how long it was', () => {
    const { payload } = letterOf(Buffer.alloc(20 * KB * KB, 'é'));
    expect(payload).toMatchObject({ encoding: 'utf8', bytes: 20 * KB * KB });
    expect((payload['body'] as string).length).toBeLessThanOrEqual(16 * KB);
  });

  it.each([
    ['half a megabyte of brackets', '['.repeat(512 * KB)],
    ['ten thousand levels', `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`],
  ])('of a body of %s is text', (_, content) => {
    expect(letterOf(content).payload).toMatchObject({ encoding: 'utf8', bytes: content.length });
  });

  it('of its headers is what is text, a number or a truth value, cut and counted', () => {
    const headers: Record<string, unknown> = {
      list: [1],
      table: { a: 1 },
      bytes: Buffer.from('b'),
      nothing: null,
      on: true,
    };
    for (let index = 0; index < 100; index++) headers[`header-${String(index).padStart(2, '0')}`] = 'x'.repeat(1000);
    const { payload } = letterOf('{}', { headers });
    expect(Object.keys(payload).length).toBeLessThanOrEqual(33);
    expect(payload['header-00']).toHaveLength(200);
    expect(payload['list']).toBeUndefined();
  });

  it.each<[string, Parameters<typeof delivery>, { vendorId: string | null; orderId: string | null }]>([
    ['the routing key', ['{}', {}, { routingKey: 'globex' }], { vendorId: 'globex', orderId: null }],
    ['the body', [`{"orderId":"${ORDER}"}`], { vendorId: null, orderId: ORDER }],
    [
      'its headers first',
      ['{}', { headers: { vendorId: 'acme', subject: ORDER } }, { routingKey: 'globex' }],
      { vendorId: 'acme', orderId: ORDER },
    ],
    [
      'nothing that cannot be',
      ['{"orderId":1}', { headers: { vendorId: 'A b', subject: 'x'.repeat(999) } }, { routingKey: '#' }],
      { vendorId: null, orderId: null },
    ],
  ])('names its vendor and order by %s', (_, of, expected) => {
    expect(letterOf(...of)).toMatchObject(expected);
  });
});

describe('the key of a message', () => {
  const keyOf = (...of: Parameters<typeof delivery>) => letterOf(...of).sourceKey;
  const message = ['{}', { messageId: 'm', type: 't', headers: { b: 1, a: 2 } }] as const;

  it('is the same whatever the broker wrote on it', () => {
    const headers = { a: 2, b: 1, 'x-death': [{ count: 1 }], 'x-delivery-count': 7 };
    const again = { messageId: 'm', type: 't', headers, redelivered: true };
    expect(keyOf('{}', again, { deliveryTag: 9, redelivered: true, exchange: 'dead' })).toBe(keyOf(...message));
  });

  it.each<[string, Parameters<typeof delivery>]>([
    ['another body', ['{ }', message[1]]],
    ['another id', ['{}', { ...message[1], messageId: 'n' }]],
    ['another type', ['{}', { ...message[1], type: 'u' }]],
    ['another header', ['{}', { ...message[1], headers: { a: 2, b: 2 } }]],
    ['another routing key', ['{}', message[1], { routingKey: 'acme' }]],
  ])('is another one of %s', (_, other) => {
    expect(keyOf(...other)).not.toBe(keyOf(...message));
  });
});
