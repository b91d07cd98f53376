import type { ConfirmChannel } from 'amqplib';
import type { MessageHandler } from '../../broker';
import type { Consumer } from './consumer';
import { PATIENCE_MS } from './pacing';
import { lacksConsumers, type QueueFault, unanswered } from './queue-faults';

/** A refused declaration is asked again after this, then twice as much, and so on. */
const RETRY_MS = 2_000;
const RETRY_MS_MAX = 60_000;

/** What one vendor's queue shall have in this process, has, and why it has not. */
export class VendorQueue {
  readonly consumers: Consumer[] = [];
  /** The channel on whose connection the queue is known to exist. */
  declaredFor: ConfirmChannel | undefined;
  /** Settles when no change of it waits or is under way. Never rejects. */
  changing: Promise<void> = Promise.resolve();
  changes = 0;
  private refusal: QueueFault | undefined;
  private refusals = 0;
  private retryAt = 0;
  private lackingSince: number | undefined;

  constructor(
    readonly vendorId: string,
    /** How many consumers there shall be. */
    public wanted: number,
    public handler: MessageHandler,
  ) {}

  get open(): number {
    return this.consumers.filter(({ openOn }) => openOn !== undefined).length;
  }

  isCompleteOn(channel: ConfirmChannel): boolean {
    const { wanted, consumers, declaredFor } = this;
    return declaredFor === channel && consumers.length === wanted && this.open === wanted;
  }

  get mayBeAsked(): boolean {
    return performance.now() >= this.retryAt;
  }

  /** It shall be something else, or there is another connection: what was refused before may not be now. */
  forgive(): void {
    this.retryAt = 0;
  }

  answered(): void {
    this.refusal = undefined;
    this.refusals = 0;
  }

  refused(fault: QueueFault): void {
    this.refusal = fault;
    this.retryAt = performance.now() + Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.refusals);
    this.refusals += 1;
  }

  /** What it lacks on the channel's connection, and for how long already, as far as it was looked at. */
  lacking(channel: ConfirmChannel): { fault: QueueFault; forMs: number } | undefined {
    if (this.isCompleteOn(channel)) {
      this.lackingSince = undefined;
      return undefined;
    }
    const now = performance.now();
    this.lackingSince ??= now;
    return { fault: this.fault(channel, now), forMs: now - this.lackingSince };
  }

  private fault(channel: ConfirmChannel, now: number): QueueFault {
    if (this.refusal) return this.refusal;
    if (this.declaredFor === channel) return lacksConsumers(this.vendorId, this.open, this.wanted);
    // One that still waits for its turn has no answer either: those before it have none.
    const waitedMs = now - (this.lackingSince ?? now);
    if (waitedMs > PATIENCE_MS) return unanswered(this.vendorId, waitedMs);
    return lacksConsumers(this.vendorId, this.open, this.wanted);
  }
}
