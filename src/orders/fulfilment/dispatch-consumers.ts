import { Injectable } from '@nestjs/common';
import { HealthRegistry } from '../../health/health-registry';
import type { Agent } from '../../lifecycle/agents';
import { type Loop, Loops } from '../../lifecycle/loop';
import { settledWithin } from '../../lifecycle/settled-within';
import { Broker } from '../../messaging/broker';
import type { Message } from '../../messaging/message';
import { Outbox } from '../../messaging/outbox';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { Dispatch } from './dispatch';
import { OpenWork } from './open-work.repository';

/** One worker's share of a vendor's slots; further workers take the rest. */
const CONSUMERS_MAX = 8;
/** How soon a vendor is noticed that has its first order in a while, or was registered or changed elsewhere. */
const LOOK_EVERY_MS = 250;
/** A look does not wait longer for queues that have to be declared; they come all the same. */
const DECLARED_MS_MAX = 1_000;
/** A vendor without anything to do keeps consumers and queue for so long: declaring them again costs a broker 70 ms. */
const IDLE_MS = 600_000;
/** The same while the broker has no room for the queues of vendors that have orders. */
const IDLE_MS_IN_NEED = 10_000;
/** Every so many looks the orders are looked at, and queues removed, some at a time: each is asked for at the broker, twice. */
const LOOKS_PER_ROUND = 10;
const REMOVALS_MAX = 20;

/**
 * Keeps consumers open on the queues of vendors that have something to do, as many as each may be given calls. One that is
 * paused, or whose breaker is open, has a queue without consumers: its messages wait where they are. One that has had
 * nothing to do for ten minutes has neither, and one that is disabled has neither as soon as its open orders are done.
 * Whether there is something to do is asked of the database, so that all workers answer alike.
 */
@Injectable()
export class DispatchConsumers implements Agent {
  readonly limits = { idleMs: IDLE_MS, idleMsInNeed: IDLE_MS_IN_NEED };
  private readonly loop: Loop;
  /** How many each vendor shall have. */
  private readonly consumers = new Map<string, number>();
  /** When there was last something to do for them. Monotonic. */
  private readonly busyAt = new Map<string, number>();
  /** Vendors whose queue has to go, if it is there. */
  private readonly abandoned = new Set<string>();
  /** Vendors with orders, as of the last round: any new one is seen by its message first. */
  private undecided: string[] = [];
  private looks = 0;
  private knowsAll = false;
  private inNeed = false;
  private stopListening: () => void = () => undefined;

  constructor(
    private readonly broker: Broker,
    private readonly registry: VendorRegistry,
    private readonly dispatch: Dispatch,
    private readonly openWork: OpenWork,
    private readonly outbox: Outbox,
    loops: Loops,
    health: HealthRegistry,
  ) {
    this.loop = loops.of('dispatch-consumers', () => this.runOnce());
    health.register('broker', ['worker'], () => this.readiness());
  }

  async start(): Promise<void> {
    await this.broker.start();
    this.stopListening = this.outbox.onWake(() => this.loop.wake());
    this.loop.start();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.stopListening();
    await this.loop.stop();
    this.dispatch.stop();
    await this.broker.stop(deadlineMs);
  }

  async runOnce(): Promise<number> {
    const now = performance.now();
    const inRound = this.looks++ % LOOKS_PER_ROUND === 0;
    if (inRound) this.undecided = await this.openWork.undecided();
    // Those with messages first: they wait for a queue, or for a consumer.
    const busy = new Set([...(await this.openWork.sending()), ...this.undecided]);
    for (const vendorId of busy) this.busyAt.set(vendorId, now);
    const vendorIds = [...new Set([...busy, ...this.consumers.keys()])];
    const vendors = vendorIds.length > 0 ? await this.registry.callsAllowed(vendorIds) : [];
    const allowed = new Map(vendors.map((vendor) => [vendor.vendorId, vendor]));
    const changed: Promise<void>[] = [];
    for (const vendorId of vendorIds) {
      const vendor = allowed.get(vendorId);
      if (!busy.has(vendorId) && (!vendor?.enabled || this.isIdle(vendorId, now))) this.abandoned.add(vendorId);
      else if (vendor) changed.push(this.keep(vendorId, Math.min(vendor.callsAllowed, CONSUMERS_MAX)));
    }
    await settledWithin(DECLARED_MS_MAX, Promise.all(changed));
    if (inRound) {
      await this.lookForAbandoned(busy);
      await this.removeAbandoned();
    }
    return LOOK_EVERY_MS;
  }

  /** How many consumers each vendor's queue shall have in this process, and has; of vendors that have had something to do. */
  async standing(): Promise<{ vendorId: string; wanted: number; open: number }[]> {
    const { consumers } = await this.broker.health();
    return [...this.consumers].map(([vendorId, wanted]) => ({ vendorId, wanted, open: consumers[vendorId] ?? 0 }));
  }

  /** Vendors whose queue is missing or lacks consumers for longer than declaring one takes; readiness says why. */
  async lacking(): Promise<number> {
    return (await this.broker.health()).lacking ?? 0;
  }

  private isIdle(vendorId: string, now: number): boolean {
    const { idleMs, idleMsInNeed } = this.limits;
    return now - (this.busyAt.get(vendorId) ?? 0) >= (this.inNeed ? Math.min(idleMs, idleMsInNeed) : idleMs);
  }

  private async keep(vendorId: string, consumers: number): Promise<void> {
    this.abandoned.delete(vendorId);
    if (this.consumers.get(vendorId) === consumers) return;
    this.consumers.set(vendorId, consumers);
    await this.broker.consume(vendorId, consumers, (message) => this.serve(message));
  }

  /** Of a vendor that turns out to be shut no further message is taken: each would only be put off like this one. */
  private async serve(message: Message): Promise<void> {
    const shut = await this.dispatch.dispatch(message);
    if (shut) await this.keep(message.vendorId, 0);
  }

  /** What a worker that was killed has left at the broker: once, since from then on we see who becomes idle. */
  private async lookForAbandoned(busy: ReadonlySet<string>): Promise<void> {
    if (this.knowsAll) return;
    for (const vendorId of await this.registry.ids()) if (!busy.has(vendorId)) this.abandoned.add(vendorId);
    this.knowsAll = true;
  }

  private async removeAbandoned(): Promise<void> {
    this.inNeed = ((await this.broker.health()).lacking ?? 0) > 0;
    for (const vendorId of [...this.abandoned].slice(0, REMOVALS_MAX)) {
      // Whoever cannot be removed yet, because another worker consumes it, has its next turn after the others.
      this.abandoned.delete(vendorId);
      const removed = await this.remove(vendorId);
      if (removed === false) this.abandoned.add(vendorId);
      if (removed === undefined) {
        this.abandoned.add(vendorId);
        return;
      }
    }
  }

  /** Whether it need not be looked at again; undefined where the broker does not answer. */
  private async remove(vendorId: string): Promise<boolean | undefined> {
    if (await this.openWork.exists(vendorId)) return true;
    const waiting = await this.broker.waiting(vendorId);
    if (waiting === undefined) return undefined;
    if (waiting > 0) {
      // About orders that are decided: taken, they find nothing to do.
      this.busyAt.set(vendorId, performance.now());
      if (!this.consumers.has(vendorId)) this.consumers.set(vendorId, 0);
      return true;
    }
    this.consumers.delete(vendorId);
    this.busyAt.delete(vendorId);
    return this.broker.remove(vendorId);
  }

  /** The figures are sums: a thousand vendors' names would make a page that nobody reads. */
  private async readiness(): Promise<{ obstacle?: string; vendors: number; consumers: number }> {
    const { obstacle, consumers } = await this.broker.health();
    const counts = Object.values(consumers);
    const figures = { vendors: counts.length, consumers: counts.reduce((sum, count) => sum + count, 0) };
    return obstacle === undefined ? figures : { obstacle, ...figures };
  }
}
