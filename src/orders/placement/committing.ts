import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { databaseFailure, isDuplicate, isLockTimeout } from '../../database/database-errors';
import { passesAtOnce, REQUEST_WAITS_MS } from '../../database/patiently';
import { Outbox } from '../../messaging/outbox';
import { asPlaced } from '../order';
import { OrderQueries } from '../order-queries';
import { IdempotencyInProgress, IdempotencyKeyReused, InsufficientStock, ProductsLocked } from '../orders.errors';
import type { Placed } from './answers';
import { Batch, type Outcome } from './batch';
import type { Settled } from './lane';
import { LockedProducts } from './locked-products';
import type { Asked } from './verdict';

/** Only our own earlier try can have written the ids we made. */
const ORDER_IDS = 'orders_pkey';

/**
 * Commits a batch, and tries again what failed for a passing reason. A lost connection leaves the COMMIT unknown: the orders'
 * ids were made before it, so those that are there were placed by it, and the others can be tried again without doubling any.
 */
@Injectable()
export class Committing {
  private readonly logger = new Logger(Committing.name);
  /** The last batch found no database, patient as it was: those that waited behind it must not wait as long again. */
  private databaseAway = false;
  /** Requests of which it is unknown whether an earlier try placed them, and why. */
  private readonly doubted = new WeakMap<Asked, unknown>();

  constructor(
    private readonly batch: Batch,
    private readonly queries: OrderQueries,
    private readonly outbox: Outbox,
    private readonly locked: LockedProducts,
  ) {}

  /**
   * Never rejects. A batch that cannot be committed as a whole is taken apart, so that a bad order harms no other. `skip`:
   * whether to leave out what is locked; unless said, while something has lately been locked for long.
   */
  async commit(batch: Asked[], skip?: boolean): Promise<Outcome[]> {
    try {
      const outcomes = await this.commitWithRetries(batch, skip);
      this.outbox.wake();
      for (const [index, outcome] of outcomes.entries()) {
        if ('locked' in outcome) this.locked.noteLocked(outcome.locked);
        else this.locked.noteFree(batch[index]!);
      }
      return outcomes;
    } catch (error) {
      if (batch.length === 1 || databaseFailure(error)) return batch.map(() => ({ error }));
      this.logger.warn({ err: error, requests: batch.length }, 'A batch failed; its requests are placed one by one');
      const outcomes: Outcome[] = [];
      for (const asked of batch) outcomes.push(...(await this.commit([asked], skip)));
      return outcomes;
    }
  }

  /** What is answered to one whose products stayed locked. Never rejects. */
  async giveUp(asked: Asked, locked: string[]): Promise<Settled<Placed>> {
    if (!this.doubted.has(asked)) return { error: new ProductsLocked(locked) };
    const placed = new Map<Asked, Placed>();
    try {
      await this.findPlaced([asked], placed);
    } catch (error) {
      return { error };
    }
    const found = placed.get(asked);
    return found ? { result: found } : { error: this.doubted.get(asked) };
  }

  /**
   * Where the server had a lost COMMIT still in hand when we looked for its orders, the next try meets the ids themselves,
   * and looks again.
   */
  private async commitWithRetries(batch: Asked[], skip?: boolean): Promise<Outcome[]> {
    const placed = new Map<Asked, Placed>();
    for (let tries = 0; ; tries++) {
      const skipLocked = skip ?? this.locked.areSkipped;
      let open = batch;
      try {
        if (tries > 0 || batch.some((asked) => this.doubted.has(asked))) await this.findPlaced(batch, placed);
        open = batch.filter((asked) => !placed.has(asked));
        const outcomes = open.length === 0 ? [] : await this.batch.commit(open, skipLocked);
        this.databaseAway = false;
        const answers = new Map(open.map((asked, index) => [asked, outcomes[index]!]));
        await this.doubtRefusals(answers, placed);
        return batch.map((asked) => answers.get(asked) ?? { result: placed.get(asked)! });
      } catch (error) {
        if (isLockTimeout(error) && !skipLocked) {
          // Now it leaves out what is locked, and needs no rest.
          this.locked.noteStuck();
          continue;
        }
        const isAway = databaseFailure(error) === 'unavailable';
        const isPassing = !this.databaseAway && (passesAtOnce(error) || isDuplicate(error, ORDER_IDS));
        if (isAway) for (const asked of open) this.doubted.set(asked, error);
        const waitMs = isPassing ? REQUEST_WAITS_MS[tries] : undefined;
        if (waitMs === undefined) {
          this.databaseAway = isAway;
          throw error;
        }
        this.logger.warn({ err: error, requests: batch.length }, 'A batch is tried again');
        await pause(waitMs);
      }
    }
  }

  /**
   * A refusal after a lost try may come from stock that the lost try itself has taken, or is about to take. Its key, once
   * answered, keeps the lost try from that; otherwise we look once more, and then say that we do not know.
   */
  private async doubtRefusals(answers: Map<Asked, Outcome>, placed: Map<Asked, Placed>): Promise<void> {
    const refused = [...answers].flatMap(([asked, outcome]) =>
      this.doubted.has(asked) && 'error' in outcome && !isFinal(asked, outcome.error) ? asked : [],
    );
    if (refused.length === 0) return;
    await this.findPlaced(refused, placed);
    for (const asked of refused) {
      const found = placed.get(asked);
      answers.set(asked, found ? { result: found } : { error: this.doubted.get(asked) });
    }
  }

  /** A transaction wrote all lines or none, so the first one speaks for the others. */
  private async findPlaced(batch: Asked[], placed: Map<Asked, Placed>): Promise<void> {
    const ids = batch.flatMap(({ lines }) => lines.map(({ orderId }) => orderId));
    const found = new Map((await this.queries.findMany(ids, this.batch.on)).map((order) => [order.orderId, order]));
    for (const asked of batch) {
      const orders = asked.lines.flatMap(({ orderId }) => found.get(orderId) ?? []);
      if (orders.length > 0) placed.set(asked, { orders: orders.map(asPlaced), replayed: false });
    }
  }
}

/** What is kept for a key, or says that the lost try still has it, holds whatever becomes of that. */
function isFinal({ key }: Asked, error: unknown): boolean {
  const kinds = [InsufficientStock, IdempotencyInProgress, IdempotencyKeyReused];
  return key !== undefined && kinds.some((kind) => error instanceof kind);
}
