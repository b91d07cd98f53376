import { Injectable } from '@nestjs/common';
import { HealthRegistry } from '../../health/health-registry';
import type { Agent } from '../../lifecycle/agents';
import { type Loop, Loops } from '../../lifecycle/loop';
import { Broker } from '../../messaging/broker';
import type { Message } from '../../messaging/message';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { Dispatch } from './dispatch';
import { OpenWork } from './open-work.repository';

/** One worker's share of a vendor's slots; further workers take the rest. */
const CONSUMERS_MAX = 8;
/** How soon a vendor that was registered or changed elsewhere is noticed. */
const LOOK_EVERY_MS = 500;
/** Every so many looks a disabled vendor is looked at whether it has anything left to do, which reads its orders. */
const LOOKS_PER_REMOVAL = 10;

/**
 * Keeps consumers open on every vendor's queue, as many as the vendor may be given calls. A disabled vendor keeps its own:
 * its open orders still finish, and once they have its queue is removed. One that is paused, or whose breaker is open, has
 * none: its messages wait where they are.
 */
@Injectable()
export class DispatchConsumers implements Agent {
  private readonly loop: Loop;
  private readonly consumers = new Map<string, number>();
  /** Disabled vendors that we have let go of, with nothing left to do; and whether their queue is gone. */
  private readonly letGo = new Map<string, boolean>();
  private looks = 0;

  constructor(
    private readonly broker: Broker,
    private readonly registry: VendorRegistry,
    private readonly dispatch: Dispatch,
    private readonly openWork: OpenWork,
    loops: Loops,
    health: HealthRegistry,
  ) {
    this.loop = loops.of('dispatch-consumers', () => this.runOnce());
    health.register('broker', ['worker'], () => this.readiness());
  }

  async start(): Promise<void> {
    await this.broker.start();
    this.loop.start();
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.loop.stop();
    this.dispatch.stop();
    await this.broker.stop(deadlineMs);
  }

  async runOnce(): Promise<number> {
    const removing = this.looks++ % LOOKS_PER_REMOVAL === 0;
    for (const { vendorId, enabled, callsAllowed } of await this.registry.callsAllowed()) {
      if (!enabled && (await this.isGone(vendorId, removing))) continue;
      await this.keep(vendorId, Math.min(callsAllowed, CONSUMERS_MAX));
    }
    return LOOK_EVERY_MS;
  }

  /** How many consumers each vendor's queue shall have in this process, and has. */
  async standing(): Promise<{ vendorId: string; wanted: number; open: number }[]> {
    const { consumers } = await this.broker.health();
    return [...this.consumers].map(([vendorId, wanted]) => ({ vendorId, wanted, open: consumers[vendorId] ?? 0 }));
  }

  private async isGone(vendorId: string, removing: boolean): Promise<boolean> {
    const gone = this.letGo.get(vendorId);
    if (gone || (gone === false && !removing)) return !(await this.openWork.hasMessage(vendorId));
    if (!removing || (await this.openWork.exists(vendorId)) || (await this.broker.waiting(vendorId)) !== 0)
      return false;
    this.consumers.delete(vendorId);
    this.letGo.set(vendorId, await this.broker.remove(vendorId));
    return true;
  }

  private async keep(vendorId: string, consumers: number): Promise<void> {
    if (this.consumers.get(vendorId) === consumers) return;
    this.consumers.set(vendorId, consumers);
    this.letGo.delete(vendorId);
    await this.broker.consume(vendorId, consumers, (message) => this.serve(message));
  }

  /** Of a vendor that turns out to be shut no further message is taken: each would only be put off like this one. */
  private async serve(message: Message): Promise<void> {
    const shut = await this.dispatch.dispatch(message);
    if (shut) await this.keep(message.vendorId, 0);
  }

  private async readiness(): Promise<{ obstacle?: string; consumers: Record<string, number> }> {
    const { up, reason, consumers } = await this.broker.health();
    const wanted = [...this.consumers].filter(([, count]) => count > 0).map(([vendorId]) => vendorId);
    const without = wanted.filter((vendorId) => !consumers[vendorId]);
    if (!up) return { obstacle: reason ?? 'the broker cannot be reached', consumers };
    if (without.length > 0) return { obstacle: `no consumers for ${without.join(', ')}`, consumers };
    return { consumers };
  }
}
