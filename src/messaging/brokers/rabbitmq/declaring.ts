import { setTimeout as pause } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import type { RabbitConnection } from './connection';

/** Between two looks whether somebody else has finished. */
const RETRY_MS = 50;
/** Longer than creating a quorum queue takes on a busy broker. */
const WAIT_MS_MAX = 5_000;
/** RESOURCE_LOCKED: another connection has it. */
const LOCKED = 405;

/**
 * Declares a quorum queue with nobody else doing the same. Two connections that declare a missing one at the same moment
 * may give it two Raft members on the node, of which the empty one comes up after the broker's next restart: then the
 * queue has no leader, and nothing gets in or out, for ever (RabbitMQ 3.10.8; rabbitmq-server#10070). A queue that is
 * exclusive to a connection is the lock: the broker gives it to one, and takes it back when that connection dies.
 */
export async function declareAlone(
  connection: RabbitConnection,
  queue: string,
  declare: (channel: Channel) => Promise<void>,
): Promise<void> {
  if (await exists(connection, queue)) return connection.onTemporaryChannel(declare);
  const lock = `${queue}.declaring`;
  await take(connection, lock);
  try {
    await connection.onTemporaryChannel(declare);
  } finally {
    // Not waited for: a broker without file descriptors answers late, and the queue that is there can be used.
    void connection.onTemporaryChannel((temporary) => temporary.deleteQueue(lock)).catch(() => undefined);
  }
}

function exists(connection: RabbitConnection, queue: string): Promise<boolean> {
  return connection
    .onTemporaryChannel((temporary) => temporary.checkQueue(queue))
    .then(
      () => true,
      () => false,
    );
}

async function take(connection: RabbitConnection, lock: string): Promise<void> {
  const until = performance.now() + WAIT_MS_MAX;
  for (;;) {
    try {
      await connection.onTemporaryChannel((temporary) =>
        temporary.assertQueue(lock, { exclusive: true, durable: false }),
      );
      return;
    } catch (error) {
      if ((error as { code?: number }).code !== LOCKED || performance.now() > until) throw error;
      await pause(RETRY_MS * (0.5 + Math.random()));
    }
  }
}
