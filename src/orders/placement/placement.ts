import { Injectable } from '@nestjs/common';
import type { Attributes, Span } from '@opentelemetry/api';
import { newId } from '../../database/new-id';
import { ValidationFailed } from '../../http/refusal';
import { failed, type Traceparent } from '../../observability/spans';
import { type Order, QUANTITY_MAX } from '../order';
import type { Placed } from './answers';
import { Committing } from './committing';
import { idempotencyKey } from './idempotency.repository';
import { Lane, LaneFull, type Settled } from './lane';
import { LockQueue } from './lock-queue';
import { LockedProducts } from './locked-products';
import { PlacementMetrics } from './placement-metrics';
import type { Asked, AskedLine } from './verdict';

const ORDERS_ROUTE = 'POST /v1/orders';
const CHECKOUTS_ROUTE = 'POST /v1/checkouts';
/** While one lane's transaction waits for its commit, the other's runs; more would only fight for the same cores. */
const LANES = 2;
/** Lines; some hundreds: the commit is shared by enough, and nobody waits long for the rest of the batch. */
const BATCH_MAX = 200;
/** Orders that may wait in a lane; at some thousands a second that is the longest wait worth having. */
const WAITING_MAX = 2000;

/** Who asks, and how the answer is remembered. */
export interface PlacementContext {
  /** Who places it; owns the idempotency key. */
  client: string;
  idempotencyKey?: string;
  /** Of its request: the trace that its orders go on in. */
  traceparent?: Traceparent;
  /** Of its request: told what becomes of it. */
  span?: Span;
}

export interface Line {
  productId: string;
  quantity: number;
}

/** With the span that is told of it. */
type AskedAndTold = Asked & { span: Span | undefined };

/**
 * Takes orders, by group commit: those that arrive while a transaction is under way are committed together by the next
 * one, each decided by itself in arrival order and answered after the commit. Orders for one product share a lane, so
 * that a flash sale costs a few commits and not a queue for one row's lock.
 */
@Injectable()
export class Placement {
  private readonly lanes = Array.from(
    { length: LANES },
    () =>
      new Lane((batch: AskedAndTold[]) => this.commitAndTell(batch), {
        batchMax: BATCH_MAX,
        waitingMax: WAITING_MAX,
        weightOf: ({ lines }) => lines.length,
      }),
  );

  private readonly lockQueue: LockQueue;

  constructor(
    private readonly committing: Committing,
    private readonly locked: LockedProducts,
    private readonly metrics: PlacementMetrics,
  ) {
    this.lockQueue = new LockQueue(
      {
        tryAll: (batch) => committing.commit(batch, true),
        giveUp: (asked, productIds) => committing.giveUp(asked, productIds),
      },
      locked,
    );
  }

  /**
   * Throws `ProductNotFound`, `VendorDisabled`, `StockStale`, `InsufficientStock`, `IdempotencyInProgress`,
   * `IdempotencyKeyReused`, `Overloaded`, `ProductsLocked`, and what the database throws: then the order may or may not exist, and its key tells.
   */
  async place({ productId, quantity }: Line, context: PlacementContext): Promise<{ order: Order; replayed: boolean }> {
    const line = { orderId: newId(), productId, quantity, quantityFields: ['quantity'], productFields: ['productId'] };
    const { orders, replayed } = await this.submit([line], null, ORDERS_ROUTE, { productId, quantity }, context);
    return { order: orders[0]!, replayed };
  }

  /** All or nothing: an order for each product, its lines summed. Throws as `place`, and names every line at fault. */
  async checkOut(lines: Line[], context: PlacementContext): Promise<Placed> {
    // Their members in our order: how a client spells a body is not what it asks for.
    const body = { lines: lines.map(({ productId, quantity }) => ({ productId, quantity })) };
    return this.submit(summed(lines), newId(), CHECKOUTS_ROUTE, body, context);
  }

  /** Whatever its lane, its rows are locked in the one order; the lane of its first product is as good as any. */
  private async submit(
    lines: AskedLine[],
    checkoutId: string | null,
    route: string,
    body: object,
    { client, idempotencyKey: key, traceparent = null, span }: PlacementContext,
  ): Promise<Placed> {
    const asked: AskedAndTold = {
      lines,
      checkoutId,
      client,
      traceparent,
      ...(key !== undefined && { key: idempotencyKey(client, route, key, body) }),
      span,
    };
    try {
      const placed = await this.wait(asked);
      span?.setAttributes(storyOf(placed));
      return placed;
    } catch (error) {
      if (span) failed(span, error);
      throw error;
    }
  }

  private async wait(asked: AskedAndTold): Promise<Placed> {
    if (!this.locked.areAskedFor(asked)) return this.waitInLane(asked);
    const settled = await this.waitForLocks(asked);
    if ('error' in settled) throw settled.error;
    return settled.result;
  }

  private waitInLane(asked: AskedAndTold): Promise<Placed> {
    return this.lanes[laneOf(asked.lines[0]!.productId)]!.submit(asked).catch((error: unknown) => {
      if (error instanceof LaneFull) this.metrics.turnedAway(asked);
      throw error;
    });
  }

  /** Those whose products are locked leave the batch, so that nobody waits for them but themselves. */
  private async commitAndTell(batch: AskedAndTold[]): Promise<(Settled<Placed> | Promise<Settled<Placed>>)[]> {
    for (const { span } of batch) span?.addEvent('commit', { 'holdfast.batch.size': batch.length });
    const outcomes = await this.committing.commit(batch);
    const isSettled = outcomes.map((outcome) => !('locked' in outcome));
    this.metrics.count(
      batch.filter((_, index) => isSettled[index]),
      outcomes.flatMap((outcome) => ('locked' in outcome ? [] : outcome)),
    );
    return outcomes.map((outcome, index) => ('locked' in outcome ? this.waitForLocks(batch[index]!) : outcome));
  }

  private async waitForLocks(asked: AskedAndTold): Promise<Settled<Placed>> {
    asked.span?.addEvent('wait for locks');
    const settled = await this.lockQueue.submit(asked);
    this.metrics.count([asked], [settled]);
    return settled;
  }
}

/** Those that were placed, and whether by an earlier request. */
function storyOf({ orders, replayed }: Placed): Attributes {
  const { orderId, checkoutId } = orders[0]!;
  return {
    'holdfast.replayed': replayed,
    ...(checkoutId === null ? { 'holdfast.order.id': orderId } : { 'holdfast.checkout.id': checkoutId }),
  };
}

/** One line for each product, in the order of their first mention. */
function summed(lines: Line[]): AskedLine[] {
  const byProduct = new Map<string, AskedLine>();
  for (const [index, { productId, quantity }] of lines.entries()) {
    const line = byProduct.get(productId) ?? {
      orderId: newId(),
      productId,
      quantity: 0,
      quantityFields: [],
      productFields: [],
    };
    line.quantity += quantity;
    line.quantityFields.push(`lines[${index}].quantity`);
    line.productFields.push(`lines[${index}].productId`);
    byProduct.set(productId, line);
  }
  const merged = [...byProduct.values()];
  const tooMany = merged.find(({ quantity }) => quantity > QUANTITY_MAX);
  if (tooMany) {
    const message = `must not be more than ${QUANTITY_MAX} over all lines of the product`;
    throw new ValidationFailed(tooMany.quantityFields.map((field) => ({ field, message })));
  }
  return merged;
}

/** Any hash will do: FNV-1a, 32 bits (Fowler, Noll, Vo). */
function laneOf(productId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < productId.length; index++)
    hash = Math.imul(hash ^ productId.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % LANES;
}
