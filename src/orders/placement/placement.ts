import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { uuidv7 } from 'uuidv7';
import { databaseFailure } from '../../database/database-errors';
import { Outbox } from '../../messaging/outbox';
import { OrderQueries } from '../order-queries';
import { Batch, type Placed } from './batch';
import { idempotencyKey } from './idempotency.repository';
import { Lane, type Settled } from './lane';
import type { AskedOrder } from './verdict';

const ROUTE = 'POST /v1/orders';
/** While one lane's transaction waits for its commit, the other's runs; more would only fight for the same cores. */
const LANES = 2;
/** Some hundreds: the commit is shared by enough, and nobody waits long for the rest of the batch. */
const BATCH_MAX = 200;
/** Orders that may wait in a lane; at some thousands a second that is the longest wait worth having. */
const WAITING_MAX = 2000;
/** A batch that failed for a passing reason is tried again after these waits. */
const RETRY_AFTER_MS = [20, 100, 400];

export interface PlaceOrder {
  productId: string;
  quantity: number;
  /** Who places it; owns the idempotency key. */
  client: string;
  idempotencyKey?: string;
  traceparent?: string;
}

/**
 * Takes orders, by group commit: those that arrive while a transaction is under way are committed together by the next
 * one, each decided by itself in arrival order and answered after the commit. Orders for one product share a lane, so
 * that a flash sale costs a few commits and not a queue for one row's lock.
 */
@Injectable()
export class Placement {
  private readonly logger = new Logger(Placement.name);
  private readonly lanes = Array.from(
    { length: LANES },
    () => new Lane((batch: AskedOrder[]) => this.commit(batch), { batchMax: BATCH_MAX, waitingMax: WAITING_MAX }),
  );

  constructor(
    private readonly batch: Batch,
    private readonly queries: OrderQueries,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Throws `ProductNotFound`, `VendorDisabled`, `InsufficientStock`, `IdempotencyInProgress`, `IdempotencyKeyReused`,
   * `Overloaded`, and what the database throws: then the order may or may not exist, and its key tells.
   */
  place({ productId, quantity, client, idempotencyKey: key, traceparent }: PlaceOrder): Promise<Placed> {
    return this.lanes[laneOf(productId)]!.submit({
      orderId: uuidv7(),
      productId,
      quantity,
      client,
      traceparent: traceparent ?? null,
      ...(key !== undefined && { key: idempotencyKey(client, ROUTE, key, { productId, quantity }) }),
    });
  }

  /** A batch that cannot be committed as a whole is taken apart, so that a bad order harms no other. */
  private async commit(batch: AskedOrder[]): Promise<Settled<Placed>[]> {
    try {
      const settled = await this.commitPatiently(batch);
      this.outbox.wake();
      return settled;
    } catch (error) {
      if (batch.length === 1 || databaseFailure(error)) return batch.map(() => ({ error }));
      this.logger.warn({ err: error, orders: batch.length }, 'A batch failed; its orders are placed one by one');
      const settled: Settled<Placed>[] = [];
      for (const asked of batch) settled.push(...(await this.commit([asked])));
      return settled;
    }
  }

  /**
   * Tries again what failed for a passing reason. A lost connection leaves the COMMIT unknown: the orders' ids were made
   * before it, so those that are there were placed by it, and the others can be tried again without doubling any.
   */
  private async commitPatiently(batch: AskedOrder[]): Promise<Settled<Placed>[]> {
    const placed = new Map<string, Placed>();
    for (let tries = 0; ; tries++) {
      try {
        if (tries > 0) await this.findPlaced(batch, placed);
        const open = batch.filter(({ orderId }) => !placed.has(orderId));
        const settled = open.length === 0 ? [] : await this.batch.commit(open);
        const byId = new Map(open.map(({ orderId }, index) => [orderId, settled[index]!]));
        return batch.map(({ orderId }) => byId.get(orderId) ?? { result: placed.get(orderId)! });
      } catch (error) {
        const waitMs = RETRY_AFTER_MS[tries];
        if (waitMs === undefined || !databaseFailure(error)) throw error;
        this.logger.warn({ err: error, orders: batch.length }, 'A batch is tried again');
        await pause(waitMs);
      }
    }
  }

  private async findPlaced(batch: AskedOrder[], placed: Map<string, Placed>): Promise<void> {
    for (const order of await this.queries.findMany(batch.map(({ orderId }) => orderId))) {
      placed.set(order.orderId, { order, replayed: false });
    }
  }
}

/** Any hash will do: FNV-1a, 32 bits (Fowler, Noll, Vo). */
function laneOf(productId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < productId.length; index++)
    hash = Math.imul(hash ^ productId.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % LANES;
}
