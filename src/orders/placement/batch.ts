import { Injectable } from '@nestjs/common';
import { PlacingDataSource } from '../../database/pools';
import { Config } from '../../config/config';
import type { Connection, Transaction } from '../../database/sql';
import { parseProductId } from '../../stock/product';
import { StockRepository } from '../../stock/stock.repository';
import { timesPrice } from '../money';
import type { Order } from '../order';
import { OrderQueries } from '../order-queries';
import { answerToKeep, orderIdsIn, type Placed, replay } from './answers';
import { IdempotencyRepository } from './idempotency.repository';
import type { Settled } from './lane';
import { type GrantedOrder, PlacementRepository, type RequestedOrder } from './placement.repository';
import { type Asked, isRemembered, type Verdict, verdictsOn } from './verdict';

/** `locked`: it is not decided, for something else has locked these products. */
export type Outcome = Settled<Placed> | { locked: string[] };

/** Orders decided and written together, in one transaction: keys, then stock, then orders with all that follows them. */
@Injectable()
export class Batch {
  constructor(
    private readonly dataSource: PlacingDataSource,
    private readonly stock: StockRepository,
    private readonly idempotency: IdempotencyRepository,
    private readonly queries: OrderQueries,
    private readonly repository: PlacementRepository,
    private readonly config: Config,
  ) {}

  /** Placing's own connections, for a statement of its own. */
  get on(): Connection {
    return this.dataSource.manager;
  }

  /**
   * Answers each in its place, after the commit. `skipLocked`: leaves out whoever asks for a product that something else has
   * locked; otherwise waits for it, but no longer than for one that is merely busy. Throws what the database throws: then
   * none is written.
   */
  async commit(batch: Asked[], skipLocked: boolean): Promise<Outcome[]> {
    return (await this.commitIfAllFit(batch, skipLocked)) ?? this.commitEachByItself(batch, skipLocked);
  }

  /**
   * The usual case, at the price of one round trip: no key was seen before, and there is enough for all. Between two
   * statements a busy process serves other requests first, while the rows stay locked.
   */
  private async commitIfAllFit(batch: Asked[], skipLocked: boolean): Promise<Settled<Placed>[] | undefined> {
    const requested = batch.map(requestedOrders);
    if (requested.some((orders, index) => orders.length < batch[index]!.lines.length)) return undefined;
    const keyed = batch.flatMap(({ key, lines }) =>
      key ? { ...key, orderIds: lines.map(({ orderId }) => orderId) } : [],
    );
    if (new Set(keyed.map(({ id }) => id)).size < keyed.length) return undefined;
    const grants = await this.repository.placeIfAllFit(requested.flat(), keyed, skipLocked, this.config);
    const grantedTo = (order: RequestedOrder): GrantedOrder => ({ ...order, ...grants!.get(order.orderId)! });
    return grants && requested.map((orders) => this.placed(orders.map(grantedTo)));
  }

  /** In arrival order: one that does not fit fails alone. */
  private commitEachByItself(batch: Asked[], skipLocked: boolean): Promise<Outcome[]> {
    return this.dataSource.transaction(async (tx) => {
      const keys = batch.flatMap(({ key }) => key ?? []);
      const claims = keys.length === 0 ? new Map() : await this.idempotency.claim(tx, keys);
      const requested = batch.map(requestedOrders);
      const { products, locked } = await this.stock.lockForPlacement(tx, requested.flat(), skipLocked);
      const verdicts = verdictsOn(batch, { products, locked }, claims);
      const granted = verdicts.map((verdict, index) => grantedOrders(verdict, requested[index]!));
      const remembered = await this.rememberedOrders(tx, verdicts);
      const settled = verdicts.map((verdict, index) => this.settle(verdict, granted[index]!, remembered));
      const answers = batch.flatMap(({ key }, index) => {
        const own = settled[index]!;
        return key && isRemembered(verdicts[index]!) && !('locked' in own) ? [{ ...key, ...answerToKeep(own) }] : [];
      });
      await this.repository.write(tx, granted.flat(), answers, this.config);
      return settled.map((own, index) => repeat(verdicts[index]!, settled) ?? own);
    });
  }

  private async rememberedOrders(tx: Transaction, verdicts: Verdict[]): Promise<Map<string, Order>> {
    const ids = verdicts.flatMap((verdict) =>
      verdict.kind === 'remembered' ? orderIdsIn(verdict.claim.remembered) : [],
    );
    const found = ids.length === 0 ? [] : await this.queries.findMany(ids, tx);
    return new Map(found.map((order) => [order.orderId, order]));
  }

  private settle(verdict: Verdict, granted: GrantedOrder[], remembered: ReadonlyMap<string, Order>): Outcome {
    switch (verdict.kind) {
      case 'granted':
        return this.placed(granted);
      case 'refused':
        return { error: verdict.refusal };
      case 'remembered':
        return replay(verdict.claim.remembered, remembered);
      case 'locked':
        return { locked: verdict.productIds };
      case 'repeats':
        return { error: undefined };
    }
  }

  private placed(granted: GrantedOrder[]): Settled<Placed> {
    return { result: { orders: granted.map((order) => orderAsPlaced(order, this.config.currency)), replayed: false } };
  }
}

/** Lines whose product id names no vendor are nobody's, and are left out. */
function requestedOrders({ lines, client, checkoutId, traceparent }: Asked): RequestedOrder[] {
  return lines.flatMap(({ orderId, productId, quantity }) => {
    const vendorId = parseProductId(productId)?.vendorId;
    return vendorId === undefined ? [] : { orderId, vendorId, productId, quantity, client, checkoutId, traceparent };
  });
}

function grantedOrders(verdict: Verdict, requested: RequestedOrder[]): GrantedOrder[] {
  return verdict.kind === 'granted' ? requested.map((order, line) => ({ ...order, ...verdict.grants[line]! })) : [];
}

/** As its client is answered: nothing has happened to it yet. */
function orderAsPlaced(granted: GrantedOrder, currency: string): Order {
  const createdAt = granted.createdAt.toISOString();
  return {
    orderId: granted.orderId,
    productId: granted.productId,
    vendorId: granted.vendorId,
    quantity: granted.quantity,
    unitPrice: granted.unitPrice,
    totalPrice: timesPrice(granted.unitPrice, granted.quantity),
    currency,
    status: 'pending',
    failureReason: null,
    vendorOrderId: null,
    checkoutId: granted.checkoutId,
    needsAttention: false,
    attentionReason: null,
    cancelRequestedAt: null,
    createdAt,
    updatedAt: createdAt,
  };
}

/** The answer of the earlier one with the same key in the same batch. */
function repeat(verdict: Verdict, settled: Outcome[]): Outcome | undefined {
  if (verdict.kind !== 'repeats') return undefined;
  const earlier = settled[verdict.earlier]!;
  if ('locked' in earlier) return earlier;
  if ('result' in earlier) return { result: { ...earlier.result, replayed: true } };
  return replay(answerToKeep(earlier), new Map());
}
