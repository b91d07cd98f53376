import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type ConfirmChannel, connect, type Options } from 'amqplib';
import { oneOf, type Random } from '../../support/random';
import { PREFIX } from '../settings';
import { registerVendors, type World } from '../world/world';
import { every, type Fault } from './fault';

const PUBLISH_EVERY_MS = 200;
const REPLAY_EVERY_MS = 500;
const REPLAY_ALL = '/v1/dead-letters/replay';

/** What nobody can read. */
const POISON: [body: string, options: Options.Publish][] = [
  ['not json', { type: 'order.placed.v1', messageId: 'poison-1', headers: { subject: 'x', attempt: 1 } }],
  ['[]', { type: 'order.placed.v1', messageId: 'poison-2', headers: { subject: 'x', attempt: 1 } }],
  ['{}', { type: 'order.placed.v1', messageId: 'poison-3', headers: { subject: 'x', attempt: 1 } }],
  ['{"orderId":"x"}', { type: 'order.unheard-of.v9', messageId: 'poison-4', headers: { subject: 'x', attempt: 1 } }],
  ['{"orderId":"x"}', {}],
];

/** What can be read, and speaks of nothing we have. */
const GIBBERISH: [body: string, options: Options.Publish][] = [
  [
    '{"orderId":"\\u0000"}',
    { type: 'order.placed.v1', messageId: 'poison-5', headers: { subject: 'x', attempt: 'many' } },
  ],
  ['{"orderId":"nobody"}', { type: 'order.placed.v1', messageId: 'poison-6', headers: { subject: 'x', attempt: 1 } }],
];

export const messageFaults: Fault[] = [
  {
    name: 'poison',
    alerts: ['HoldfastDeadLetters'],
    what: 'messages that nobody can read, straight to the vendors’ queues',
    part: 'messages',
    make: (world, { durationMs, random }) =>
      publishing(world, durationMs, async (publish) => {
        const mark = randomUUID();
        const [body, { headers, ...options }] = oneOf(POISON, random);
        const marked = { ...options, headers: { ...(headers as object), poison: mark } };
        if (await publish(oneOf(world.vendors.ids, random), body, marked)) world.poisoned.push(mark);
        await publish(oneOf(world.vendors.ids, random), ...oneOf(GIBBERISH, random));
      }),
  },
  {
    name: 'redelivery',
    what: 'messages of orders that were dealt with, delivered again',
    part: 'messages',
    make: (world, { durationMs, random, orderIds }) =>
      publishing(world, durationMs, async (publish) => {
        const placed = orderIds();
        if (placed.length === 0) return;
        const orderId = oneOf(placed, random);
        await publish(await vendorOf(world, orderId, random), ...messageOf(orderId));
      }),
  },
  {
    name: 'replay',
    what: 'orders given up after one attempt, and dead letters replayed all the while',
    part: 'vendor',
    alerts: ['HoldfastDeadLetters', 'HoldfastOrdersNeedAttention', 'HoldfastVendorErrors'],
    perhaps: ['HoldfastCasesOpen'],
    make: async (world, { durationMs, random }) => {
      await registerVendors(world, { deliveryAttemptsMax: 1 });
      await world.vendors.faults({
        error5xx: { share: 0.5, operation: 'order', seed: Math.floor(random() * 2 ** 32) },
      });
      try {
        return await every(REPLAY_EVERY_MS, durationMs, () => replayAll(world));
      } finally {
        await world.vendors.faults({});
        await registerVendors(world);
        await replayUntilNone(world);
      }
    },
  },
];

/** Whether this installation can replay; an older one cannot. */
export async function canReplay({ client }: World): Promise<boolean> {
  const { body } = await client.get<{ paths: Record<string, unknown> }>('/docs-json');
  return Object.hasOwn(body.paths, REPLAY_ALL);
}

/** Letters of an earlier round that nothing can be sent for, as an operator does. */
export async function dismissOrphans({ client }: World): Promise<void> {
  const { status, body } = await client.post('/v1/dead-letters/dismiss', {});
  if (status !== 200) throw new Error(`Dead letters could not be dismissed: ${JSON.stringify(body)}`);
}

/** Whatever it answers meanwhile: two at once, and while things fail, is the point. */
async function replayAll({ client }: World): Promise<void> {
  const once = (): Promise<unknown> => client.post(REPLAY_ALL, {}).catch(() => undefined);
  await Promise.all([once(), once()]);
}

async function replayUntilNone(world: World): Promise<void> {
  for (let times = 0; times < 10; times++) {
    await replayAll(world);
    await pause(REPLAY_EVERY_MS);
  }
}

/** By way of no outbox, as if the broker had kept a copy. */
export async function deliverAgain(world: World, orderId: string): Promise<void> {
  await publishing(world, 0, async (publish) => publish(await vendorOf(world, orderId), ...messageOf(orderId)));
}

function messageOf(orderId: string): [body: string, options: Options.Publish] {
  const headers = { subject: orderId, attempt: 1 };
  return [JSON.stringify({ orderId }), { type: 'order.placed.v1', messageId: `again-${orderId}`, headers }];
}

/** Answers whether the broker has taken it. */
type Publish = (vendorId: string, body: string, options: Options.Publish) => Promise<boolean>;

/** A broker that is away under another fault ends it early. */
async function publishing(
  { broker }: World,
  durationMs: number,
  once: (publish: Publish) => Promise<unknown>,
): Promise<number> {
  const connection = await connect(broker.url);
  connection.on('error', () => undefined);
  try {
    const channel: ConfirmChannel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    const publish: Publish = (vendorId, body, options) =>
      new Promise((resolve) =>
        channel.publish(`${PREFIX}.orders`, vendorId, Buffer.from(body), { persistent: true, ...options }, (error) =>
          resolve(!error),
        ),
      );
    return await every(PUBLISH_EVERY_MS, durationMs, () => once(publish));
  } finally {
    await connection.close().catch(() => undefined);
  }
}

/** Mostly its own vendor's queue, and now and then, by chance, another's. */
async function vendorOf({ vendors, database }: World, orderId: string, random: Random = () => 0): Promise<string> {
  const [order] = await database.rows<{ vendor_id: string }>('SELECT vendor_id FROM orders WHERE order_id = $1', [
    orderId,
  ]);
  return order && random() < 0.9 ? order.vendor_id : oneOf(vendors.ids, random);
}
