import { setTimeout as pause } from 'node:timers/promises';
import type { World } from '../world/world';
import type { HoldState, OrderStatus, Sighting, StoredProduct } from './evidence';
import { storedProducts } from './gathering';

const LOOK_EVERY_MS = 400;

/** Looks at the database again and again while a round is under way, and keeps what changes and what does not add up. */
export class Sightings {
  readonly seen: Sighting[] = [];
  readonly miscounted: StoredProduct[] = [];
  private readonly last = new Map<string, string>();
  private over = false;
  private readonly looking: Promise<void>;

  constructor(private readonly world: World) {
    this.looking = this.lookOnAndOn();
  }

  async stop(): Promise<void> {
    this.over = true;
    await this.looking;
  }

  private async lookOnAndOn(): Promise<void> {
    while (!this.over) {
      // While the database is away there is nothing to see.
      if (this.world.database.running) await this.look().catch(() => undefined);
      await pause(LOOK_EVERY_MS);
    }
  }

  async look(): Promise<void> {
    const rows = await this.world.database.rows<{ order_id: string; status: OrderStatus; hold_state: HoldState }>(
      'SELECT order_id, status, hold_state FROM orders',
    );
    for (const { order_id: orderId, status, hold_state: hold } of rows) {
      if (this.last.get(orderId) === status + hold) continue;
      this.last.set(orderId, status + hold);
      this.seen.push({ orderId, status, hold });
    }
    this.miscounted.push(...(await storedProducts(this.world, { onlyWrong: true })));
  }
}
