import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { Vitals } from '../../../lifecycle/vitals';
import { describe } from '../../delivery';
import type { Outbox } from '../../outbox';
import type { LeasedMessage, OutboxRepository } from '../../outbox.repository';
import { Polling } from '../../polling';
import { FaultLog } from './fault-log';
import type { Publisher } from './publisher';
import { named } from './queue-faults';

/** Some milliseconds of publishing; enough for 10,000 messages/s, little enough to be forgotten by a crash. */
const BATCH_ROWS_MAX = 500;
/** What a killed relay's rows wait for the next one. Longer than confirming and deleting a batch takes. */
const LEASE_MS = 10_000;
/** How long a vendor whose queue is missing is left alone, at first; then twice as long, and so on up to the other. */
const UNROUTABLE_REST_MS = 1_000;
const UNROUTABLE_REST_MS_MAX = 8_000;
/** A queue is declared with a vendor's first message in a while, in less than this. Longer is a fault. */
const UNROUTABLE_MS_MAX = 5_000;
/** A vendor of which nothing is confirmed is left alone for a second, then two, and so on up to this. */
const UNCONFIRMED_REST_MS_MAX = 60_000;

export interface OutboxRelayOptions {
  dataSource: DataSource;
  outbox: Outbox;
  repository: OutboxRepository;
  publisher: Publisher;
  vitals: Vitals;
  /** Milliseconds of a clock that never goes back. */
  clock?: () => number;
  /** Told of vendors whose messages found no queue. */
  unroutable?: (vendorIds: ReadonlySet<string>) => void;
}

/**
 * Carries what is due from the outbox to the broker: leases rows, publishes them, deletes what the broker has stored and
 * puts the rest back. No lock is held while the broker takes its time. A crash between publishing and deleting publishes
 * a message twice, and never loses one.
 */
export class OutboxRelay {
  private readonly logger = new Logger('OutboxRelay');
  private readonly owner = randomUUID();
  private readonly polling: Polling;
  private readonly clock: () => number;
  private readonly restingUntil = new Map<string, number>();
  /** Vendors whose messages found no queue, since when, and how long they were last left alone. */
  private readonly unroutable = new Map<string, { since: number; seenAt: number; restMs: number }>();
  private readonly faults = new FaultLog(this.logger, 'Every message finds its queue again');
  /** How long the vendors were last left alone of which nothing was confirmed since. */
  private readonly unconfirmedRestMs = new Map<string, number>();
  private stopListening: () => void = () => undefined;

  constructor(private readonly options: OutboxRelayOptions) {
    this.clock = options.clock ?? (() => performance.now());
    this.polling = new Polling('outbox', options.vitals, () => this.runOnce(), {
      failed: (error) => this.logger.warn(`Messages cannot be relayed: ${describe(error)}`),
      recovered: () => this.logger.log('Messages are relayed again'),
    });
  }

  start(): void {
    this.stopListening = this.options.outbox.onWake(() => this.polling.wake());
    this.polling.start();
  }

  /** Resolves when the batch under way is settled. */
  async stop(): Promise<void> {
    this.stopListening();
    await this.polling.stop();
  }

  /** The vendor's queue is there (again). */
  resume(vendorId: string): void {
    this.unroutable.delete(vendorId);
    if (this.restingUntil.delete(vendorId)) this.polling.wake();
  }

  /** One batch. Answers how many messages reached their queue. */
  async runOnce(): Promise<number> {
    const { dataSource, repository, publisher } = this.options;
    // While the broker is away the rows are left alone: publishing would only pile them up in memory.
    if (!(await publisher.ready())) return 0;
    const claimed = await repository.claimShared(
      dataSource.manager,
      this.owner,
      LEASE_MS,
      BATCH_ROWS_MAX,
      this.resting(),
    );
    if (claimed.length === 0) return 0;
    const { stored, unroutable, unconfirmed } = await publisher.publish(claimed);
    await this.settle(stored, [...unroutable, ...unconfirmed]);
    this.restUnroutable(stored, unroutable);
    this.restUnconfirmed(stored, unconfirmed);
    if (unconfirmed.length > 0)
      this.logger.warn(`${unconfirmed.length} messages were not confirmed and stay in the outbox`);
    return stored.length;
  }

  private async settle(stored: LeasedMessage[], kept: LeasedMessage[]): Promise<void> {
    const { dataSource, repository } = this.options;
    if (stored.length > 0) await repository.delete(dataSource.manager, this.owner, ids(stored));
    if (kept.length > 0) await repository.release(dataSource.manager, this.owner, ids(kept));
  }

  private resting(): string[] {
    const now = this.clock();
    for (const [vendorId, until] of this.restingUntil) if (until <= now) this.restingUntil.delete(vendorId);
    return [...this.restingUntil.keys()];
  }

  /**
   * Where the broker confirms other vendors' messages, it is a queue that takes none, such as one without a leader. Each
   * batch with one of its messages waits as long as a confirm may take, and everybody in it.
   */
  private restUnconfirmed(stored: LeasedMessage[], unconfirmed: LeasedMessage[]): void {
    const well = vendorsOf(stored);
    for (const vendorId of well) this.unconfirmedRestMs.delete(vendorId);
    if (well.size === 0) return;
    for (const vendorId of vendorsOf(unconfirmed)) {
      if (well.has(vendorId)) continue;
      const restMs = Math.min(
        UNCONFIRMED_REST_MS_MAX,
        2 * (this.unconfirmedRestMs.get(vendorId) ?? UNROUTABLE_REST_MS / 2),
      );
      this.unconfirmedRestMs.set(vendorId, restMs);
      this.restingUntil.set(vendorId, this.clock() + restMs);
    }
  }

  /** A queue that is missing is declared by whoever consumes it, and then told to us (`resume`). */
  private restUnroutable(stored: LeasedMessage[], unroutable: LeasedMessage[]): void {
    const now = this.clock();
    for (const vendorId of vendorsOf(stored)) this.unroutable.delete(vendorId);
    const vendorIds = vendorsOf(unroutable);
    for (const vendorId of vendorIds) {
      const { since, restMs } = this.unroutable.get(vendorId) ?? { since: now, restMs: UNROUTABLE_REST_MS };
      this.unroutable.set(vendorId, { since, seenAt: now, restMs: Math.min(UNROUTABLE_REST_MS_MAX, 2 * restMs) });
      this.restingUntil.set(vendorId, now + restMs);
    }
    if (vendorIds.size > 0) this.options.unroutable?.(vendorIds);
    for (const [vendorId, { seenAt, restMs }] of this.unroutable)
      if (now - seenAt > 2 * restMs) this.unroutable.delete(vendorId);
    const lasting = [...this.unroutable].filter(([, { since }]) => now - since > UNROUTABLE_MS_MAX);
    this.faults.say(
      lasting.length === 0
        ? undefined
        : `No queue at the broker for ${named(lasting.map(([vendorId]) => vendorId))}; their messages stay in the outbox`,
      now,
    );
  }
}

function ids(messages: LeasedMessage[]): string[] {
  return messages.map(({ outboxId }) => outboxId);
}

function vendorsOf(messages: LeasedMessage[]): Set<string> {
  return new Set(messages.map(({ vendorId }) => vendorId));
}
