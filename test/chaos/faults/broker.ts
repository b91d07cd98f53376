import { connect } from 'amqplib';
import { oneOf } from '../../support/random';
import { PREFIX } from '../settings';
import type { World } from '../world/world';
import { every, type Fault, meanwhile } from './fault';

const CUT_EVERY_MS = 2_000;
const DELETE_EVERY_MS = 4_000;
/** Longer than two of our heartbeats, so that the connections are given up. */
const BLACK_HOLE_MS = 12_000;
const HIGH_WATERMARK = '0.4';

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
    make: (world, { durationMs, random }) =>
      every(DELETE_EVERY_MS, durationMs, () => deleteQueue(world, oneOf(world.vendors.ids, random))),
  },
];

function wires({ workers }: World) {
  return workers.map((worker) => worker.wires.broker!);
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
