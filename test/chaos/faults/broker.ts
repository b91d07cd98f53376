import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'amqplib';
import { oneOf } from '../../support/random';
import { PREFIX } from '../settings';
import { registerVendors, type World } from '../world/world';
import { type Alert, every, type Fault, meanwhile, type Trouble } from './fault';

const CUT_EVERY_MS = 2_000;
const DELETE_EVERY_MS = 4_000;
/** Of a queue, before it is deleted. */
const FILL_MS = 2_000;
/** Longer than two of our heartbeats, so that the connections are given up. */
const BLACK_HOLE_MS = 12_000;
const HIGH_WATERMARK = '0.4';

const BROKER_SILENT: Alert[] = ['HoldfastNoConsumers', 'HoldfastOutboxOld', 'HoldfastQueueOld'];
const BROKER_AWAY: Alert[] = [...BROKER_SILENT, 'HoldfastTargetDown'];

export const brokerFaults: Fault[] = [
  {
    name: 'broker-cut',
    what: 'connections to the broker cut every two seconds',
    part: 'broker',
    make: (world, { durationMs }) => every(CUT_EVERY_MS, durationMs, () => wires(world).forEach((wire) => wire.cut())),
  },
  {
    name: 'broker-stopped',
    what: 'the broker stopped, and started later',
    part: 'broker',
    alerts: BROKER_AWAY,
    make: ({ broker }, { durationMs }) =>
      meanwhile(
        () => broker.stop(),
        durationMs,
        () => broker.start(),
      ),
  },
  {
    name: 'broker-killed',
    what: 'kill -9 of the broker, started later',
    part: 'broker',
    alerts: BROKER_AWAY,
    make: ({ broker }, { durationMs }) =>
      meanwhile(
        () => broker.kill(),
        durationMs,
        () => broker.start(),
      ),
  },
  {
    name: 'broker-black-hole',
    what: 'a black hole between the workers and the broker',
    part: 'broker',
    alerts: BROKER_SILENT,
    make: (world, { durationMs }) =>
      meanwhile(
        () => wires(world).forEach((wire) => wire.stall()),
        Math.max(durationMs, BLACK_HOLE_MS),
        () => wires(world).forEach((wire) => wire.resume()),
      ),
  },
  {
    name: 'broker-memory-alarm',
    what: 'a memory alarm at the broker, which blocks publishers',
    part: 'broker',
    alerts: ['HoldfastOutboxOld', 'HoldfastQueueOld'],
    make: ({ broker }, { durationMs }) =>
      meanwhile(
        () => broker.control('set_vm_memory_high_watermark', '0'),
        durationMs,
        () => broker.control('set_vm_memory_high_watermark', HIGH_WATERMARK),
      ),
  },
  {
    name: 'queue-deleted',
    what: 'a vendor’s queue deleted with what is in it',
    part: 'broker',
    alerts: ['HoldfastQueueOld'],
    queuesDeleted: true,
    make: (world, trouble) => whileQueuesAreLong(world, () => deleteQueues(world, trouble)),
  },
];

function wires({ workers }: World) {
  return workers.map((worker) => worker.wires.broker!);
}

/** A queue that is empty has nothing to lose. */
async function whileQueuesAreLong(world: World, work: () => Promise<number>): Promise<number> {
  await registerVendors(world, { maxConcurrentOrders: 1 });
  await world.vendors.faults({ latency: { ms: 200, operation: 'order' } });
  try {
    return await work();
  } finally {
    await world.vendors.faults({});
    await registerVendors(world);
  }
}

function deleteQueues(world: World, { durationMs, random }: Trouble): Promise<number> {
  return every(DELETE_EVERY_MS, durationMs, async () => {
    await pause(FILL_MS);
    await deleteQueue(world, oneOf(world.vendors.ids, random));
  });
}

async function deleteQueue({ broker }: World, vendorId: string): Promise<void> {
  const connection = await connect(broker.url);
  connection.on('error', () => undefined);
  try {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.deleteQueue(`${PREFIX}.orders.${vendorId}`);
  } finally {
    await connection.close().catch(() => undefined);
  }
}
