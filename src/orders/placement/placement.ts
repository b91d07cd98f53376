import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { Attributes, Span } from '@opentelemetry/api';
import { databaseFailure, isDuplicate } from '../../database/database-errors';
import { newId } from '../../database/new-id';
import { passesAtOnce, REQUEST_WAITS_MS } from '../../database/patiently';
import { Outbox } from '../../messaging/outbox';
import { ValidationFailed } from '../../http/refusal';
import { failed, type Traceparent } from '../../observability/spans';
import { asPlaced, type Order, QUANTITY_MAX } from '../order';
import { OrderQueries } from '../order-queries';
import type { Placed } from './answers';
import { IdempotencyInProgress, IdempotencyKeyReused, InsufficientStock, Overloaded } from '../orders.errors';
import { Batch } from './batch';
import { idempotencyKey } from './idempotency.repository';
import { Lane, type Settled } from './lane';
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
/** Only our own earlier try can have written the ids we made. */
const ORDER_IDS = 'orders_pkey';

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
  private readonly logger = new Logger(Placement.name);
  /** The last batch found no database, patient as it was: those that waited behind it must not wait as long again. */
  private databaseAway = false;
  private readonly lanes = Array.from(
    { length: LANES },
    () =>
      new Lane((batch: AskedAndTold[]) => this.commitAndTell(batch), {
        batchMax: BATCH_MAX,
        waitingMax: WAITING_MAX,
        weightOf: ({ lines }) => lines.length,
      }),
  );

  constructor(
    private readonly batch: Batch,
    private readonly queries: OrderQueries,
    private readonly outbox: Outbox,
    private readonly metrics: PlacementMetrics,
  ) {}

  /**
   * Throws `ProductNotFound`, `VendorDisabled`, `StockStale`, `InsufficientStock`, `IdempotencyInProgress`,
   * `IdempotencyKeyReused`, `Overloaded`, and what the database throws: then the order may or may not exist, and its key tells.
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

  private wait(asked: AskedAndTold): Promise<Placed> {
    return this.lanes[laneOf(asked.lines[0]!.productId)]!.submit(asked).catch((error: unknown) => {
      if (error instanceof Overloaded) this.metrics.turnedAway(asked);
      throw error;
    });
  }

  private async commitAndTell(batch: AskedAndTold[]): Promise<Settled<Placed>[]> {
    for (const { span } of batch) span?.addEvent('commit', { 'holdfast.batch.size': batch.length });
    const settled = await this.commit(batch);
    this.metrics.count(batch, settled);
    return settled;
  }

  /** A batch that cannot be committed as a whole is taken apart, so that a bad order harms no other. */
  private async commit(batch: Asked[]): Promise<Settled<Placed>[]> {
    try {
      const settled = await this.commitPatiently(batch);
      this.outbox.wake();
      return settled;
    } catch (error) {
      if (batch.length === 1 || databaseFailure(error)) return batch.map(() => ({ error }));
      this.logger.warn({ err: error, requests: batch.length }, 'A batch failed; its requests are placed one by one');
      const settled: Settled<Placed>[] = [];
      for (const asked of batch) settled.push(...(await this.commit([asked])));
      return settled;
    }
  }

  /**
   * Tries again what failed for a passing reason. A lost connection leaves the COMMIT unknown: the orders' ids were made
   * before it, so those that are there were placed by it, and the others can be tried again without doubling any. Where
   * the server had the COMMIT still in hand when we looked, the next try meets the ids themselves, and looks again.
   */
  private async commitPatiently(batch: Asked[]): Promise<Settled<Placed>[]> {
    const placed = new Map<Asked, Placed>();
    let lost: unknown;
    for (let tries = 0; ; tries++) {
      try {
        if (tries > 0) await this.findPlaced(batch, placed);
        const open = batch.filter((asked) => !placed.has(asked));
        const settled = open.length === 0 ? [] : await this.batch.commit(open);
        this.databaseAway = false;
        const answers = new Map(open.map((asked, index) => [asked, settled[index]!]));
        if (lost !== undefined) await this.doubtRefusals(answers, placed, lost);
        return batch.map((asked) => answers.get(asked) ?? { result: placed.get(asked)! });
      } catch (error) {
        const isAway = databaseFailure(error) === 'unavailable';
        const isPassing = !this.databaseAway && (passesAtOnce(error) || isDuplicate(error, ORDER_IDS));
        const waitMs = isPassing ? REQUEST_WAITS_MS[tries] : undefined;
        if (waitMs === undefined) {
          this.databaseAway = isAway;
          throw error;
        }
        if (isAway) lost = error;
        this.logger.warn({ err: error, requests: batch.length }, 'A batch is tried again');
        await pause(waitMs);
      }
    }
  }

  /**
   * A refusal after a lost try may come from stock that the lost try itself has taken, or is about to take. Its key, once
   * answered, keeps the lost try from that; otherwise we look once more, and then say that we do not know.
   */
  private async doubtRefusals(
    answers: Map<Asked, Settled<Placed>>,
    placed: Map<Asked, Placed>,
    lost: unknown,
  ): Promise<void> {
    const refused = [...answers].filter(([asked, settled]) => 'error' in settled && !isFinal(asked, settled.error));
    if (refused.length === 0) return;
    const asked = refused.map(([each]) => each);
    await this.findPlaced(asked, placed);
    for (const each of asked) {
      const found = placed.get(each);
      answers.set(each, found ? { result: found } : { error: lost });
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

/** Those that were placed, and whether by an earlier request. */
function storyOf({ orders, replayed }: Placed): Attributes {
  const { orderId, checkoutId } = orders[0]!;
  return {
    'holdfast.replayed': replayed,
    ...(checkoutId === null ? { 'holdfast.order.id': orderId } : { 'holdfast.checkout.id': checkoutId }),
  };
}

/** What is kept for a key, or says that the lost try still has it, holds whatever becomes of that. */
function isFinal({ key }: Asked, error: unknown): boolean {
  const kinds = [InsufficientStock, IdempotencyInProgress, IdempotencyKeyReused];
  return key !== undefined && kinds.some((kind) => error instanceof kind);
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
