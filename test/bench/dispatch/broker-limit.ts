import { type Channel, connect, type ConfirmChannel } from 'amqplib';
import { orderPlaced } from '../../../src/orders/order.messages';
import { newId } from '../../../src/database/new-id';
import { Topology } from '../../../src/messaging/brokers/rabbitmq/topology';
import { toWire } from '../../../src/messaging/brokers/rabbitmq/wire-format';
import { ORDERS_AT_ONCE, type Surroundings, VENDORS } from './surroundings';

/** As the relay does: so many are published before their confirms are awaited. */
const BATCH = 500;
const PREFIX = 'limit';

/**
 * What the broker alone could do: the same messages, published with confirms while as many consumers take them, one at a
 * time, and acknowledge. No database, no vendor. In messages per second.
 */
export async function brokerLimit({ broker }: Surroundings, messages: number): Promise<number> {
  const [publishing, consuming] = [await connect(broker.url), await connect(broker.url)];
  try {
    const topology = new Topology(PREFIX);
    const publisher = await publishing.createConfirmChannel();
    const consumer = await consuming.createChannel();
    await topology.declareShared(consumer);
    for (const vendorId of VENDORS) await topology.declareQueue(consumer, vendorId);
    const startedAt = performance.now();
    await Promise.all([publish(publisher, topology, messages), consume(consumer, topology, messages)]);
    return messages / ((performance.now() - startedAt) / 1000);
  } finally {
    await Promise.all([publishing.close(), consuming.close()]);
  }
}

async function publish(channel: ConfirmChannel, topology: Topology, messages: number): Promise<void> {
  for (let sent = 0; sent < messages;) {
    for (let inBatch = 0; inBatch < BATCH && sent < messages; inBatch++, sent++) {
      const message = orderPlaced({ orderId: newId(), vendorId: VENDORS[sent % VENDORS.length]!, traceparent: null });
      const { body, options } = toWire({ messageId: newId(), traceparent: null, attempt: 1, ...message });
      channel.publish(topology.orders, message.vendorId, body, options);
    }
    await channel.waitForConfirms();
  }
}

async function consume(channel: Channel, topology: Topology, messages: number): Promise<void> {
  await channel.prefetch(1);
  await new Promise<void>((resolve, reject) => {
    let acknowledged = 0;
    const acknowledge = (message: Parameters<Channel['ack']>[0] | null): void => {
      if (message === null) return;
      channel.ack(message);
      if (++acknowledged === messages) resolve();
    };
    const consumers = VENDORS.flatMap((vendorId) => Array.from({ length: ORDERS_AT_ONCE }, () => vendorId));
    Promise.all(consumers.map((vendorId) => channel.consume(topology.queueOf(vendorId), acknowledge))).catch(reject);
  });
}
