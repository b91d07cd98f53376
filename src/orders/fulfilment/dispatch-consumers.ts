import { Injectable } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { HealthRegistry } from '../../health/health-registry';
import type { Agent } from '../../lifecycle/agents';
import { Loop } from '../../lifecycle/loop';
import { Broker } from '../../messaging/broker';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { Dispatch } from './dispatch';

/** One worker's share of a vendor's slots; further workers take the rest. */
const CONSUMERS_MAX = 8;
/** How soon a vendor that was registered or changed elsewhere is noticed. */
const LOOK_EVERY_MS = 500;

/** Keeps consumers open on every vendor's queue. A disabled vendor keeps its own: its open orders still finish. */
@Injectable()
export class DispatchConsumers implements Agent {
  private readonly loop: Loop;
  private readonly consumers = new Map<string, number>();

  constructor(
    private readonly broker: Broker,
    private readonly registry: VendorRegistry,
    private readonly dispatch: Dispatch,
    scheduler: SchedulerRegistry,
    health: HealthRegistry,
  ) {
    this.loop = new Loop('dispatch-consumers', scheduler, () => this.runOnce());
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
    for (const { vendorId, maxConcurrentOrders } of await this.registry.all()) {
      const wanted = Math.min(maxConcurrentOrders, CONSUMERS_MAX);
      if (this.consumers.get(vendorId) === wanted) continue;
      await this.broker.consume(vendorId, wanted, (message) => this.dispatch.dispatch(message));
      this.consumers.set(vendorId, wanted);
    }
    return LOOK_EVERY_MS;
  }

  private async readiness(): Promise<{ obstacle?: string; consumers: Record<string, number> }> {
    const { up, reason, consumers } = await this.broker.health();
    const without = [...this.consumers.keys()].filter((vendorId) => !consumers[vendorId]);
    if (!up) return { obstacle: reason ?? 'the broker cannot be reached', consumers };
    if (without.length > 0) return { obstacle: `no consumers for ${without.join(', ')}`, consumers };
    return { consumers };
  }
}
