import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { DeadLetterRepository } from '../../dead-letters/dead-letter.repository';
import { describe } from '../../delivery';
import { labelsOf } from '../../message';
import type { LeasedMessage, OutboxRepository, Room } from '../../outbox.repository';

export interface LeaseTimes {
  /** How long after the death of a process its messages stay with it. */
  leaseMs: number;
  /** Between two extensions; several fit into a lease, so that one that is late or fails costs nothing. */
  heartbeatMs: number;
}

const LEASE_TIMES: LeaseTimes = { leaseMs: 5_000, heartbeatMs: 1_500 };
/** Length of `dead_letters.order_id`; a longer subject is no order's. */
const ORDER_ID_LENGTH_MAX = 36;

/**
 * The outbox rows in this process's hand. A heartbeat keeps them ours; should it fail for longer than a lease (a
 * database that was away), another process may take a row and run it a second time, and only one of the two deletes it.
 */
export class Leases {
  private readonly logger = new Logger('EmbeddedBroker');
  /** Of this broker in this process, so that what a predecessor left behind is not taken for ours. */
  private readonly owner = randomUUID();
  private readonly inHand = new Map<string, LeasedMessage>();
  private heartbeat: NodeJS.Timeout | undefined;
  private failing = false;

  constructor(
    private readonly dataSource: DataSource,
    private readonly outbox: OutboxRepository,
    private readonly deadLetters: DeadLetterRepository,
    private readonly times: LeaseTimes = LEASE_TIMES,
  ) {}

  start(): void {
    this.heartbeat = setInterval(() => void this.extend(), this.times.heartbeatMs);
  }

  /** Puts back what is still in hand. */
  async stop(): Promise<void> {
    clearInterval(this.heartbeat);
    await this.giveBack([...this.inHand.values()]);
  }

  count(vendorId: string): number {
    let count = 0;
    for (const message of this.inHand.values()) if (message.vendorId === vendorId) count += 1;
    return count;
  }

  /** Takes due messages into hand. One that is there already had only its lease run out, and is not answered again. */
  async take(room: Room[]): Promise<LeasedMessage[]> {
    const claimed = await this.outbox.claimForRoom(this.dataSource.manager, this.owner, this.times.leaseMs, room);
    const taken = claimed.filter(({ outboxId }) => !this.inHand.has(outboxId));
    for (const message of taken) this.inHand.set(message.outboxId, message);
    return taken;
  }

  /** The message has been dealt with. */
  async finish(message: LeasedMessage): Promise<void> {
    const { outboxId, messageId } = message;
    const deleted = await this.outbox.delete(this.dataSource.manager, this.owner, [outboxId]);
    this.inHand.delete(outboxId);
    if (deleted > 0) return;
    this.logger.warn(labelsOf(message), `${messageId} was finished after its lease had run out; it may be run again`);
  }

  /** The message has been given up: moved to the dead letters, unless somebody else has taken it meanwhile. */
  async bury(message: LeasedMessage, cause: string): Promise<void> {
    const { outboxId, vendorId, subject, dueAtMs: _, ...envelope } = message;
    await this.dataSource.transaction(async (tx) => {
      if ((await this.outbox.delete(tx, this.owner, [outboxId])) === 0) return;
      const orderId = subject.length <= ORDER_ID_LENGTH_MAX ? subject : null;
      await this.deadLetters.insert(tx, { vendorId, orderId, cause, payload: { ...envelope, vendorId, subject } });
    });
    this.inHand.delete(outboxId);
  }

  async giveBack(messages: LeasedMessage[]): Promise<void> {
    const outboxIds = messages.map(({ outboxId }) => outboxId);
    for (const outboxId of outboxIds) this.inHand.delete(outboxId);
    if (outboxIds.length === 0) return;
    try {
      await this.outbox.release(this.dataSource.manager, this.owner, outboxIds);
    } catch (error) {
      this.logger.warn(`Messages not given back; their leases end by themselves: ${describe(error)}`);
    }
  }

  private async extend(): Promise<void> {
    const outboxIds = [...this.inHand.keys()];
    if (outboxIds.length === 0) return;
    try {
      await this.outbox.extend(this.dataSource.manager, this.owner, this.times.leaseMs, outboxIds);
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.logger.warn(`Leases of messages in hand not extended: ${describe(error)}`);
      this.failing = true;
    }
  }
}
