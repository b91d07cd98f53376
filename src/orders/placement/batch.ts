import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import type { FieldError } from '../../http/problem-types';
import { parseProductId } from '../../stock/product';
import { StockRepository } from '../../stock/stock.repository';
import { timesPrice } from '../money';
import type { Order } from '../order';
import { InsufficientStock } from '../orders.errors';
import { IdempotencyRepository, type StoredAnswer } from './idempotency.repository';
import type { Settled } from './lane';
import { type GrantedOrder, PlacementRepository, type RequestedOrder } from './placement.repository';
import { type Asked, isRemembered, type Verdict, verdictsOn } from './verdict';

const CREATED = 201;
const CONFLICT = 409;

/** One order for each line. `replayed`: this is the first answer to the same key again. */
export interface Placed {
  orders: Order[];
  replayed: boolean;
}

/** An InsufficientStock as it is kept. */
interface RememberedRefusal {
  detail: string;
  errors: FieldError[];
}

/** Orders decided and written together, in one transaction: keys, then stock, then orders with all that follows them. */
@Injectable()
export class Batch {
  constructor(
    private readonly dataSource: DataSource,
    private readonly stock: StockRepository,
    private readonly idempotency: IdempotencyRepository,
    private readonly repository: PlacementRepository,
    private readonly config: Config,
  ) {}

  /** Answers each in its place, after the commit. Throws what the database throws: then none is written. */
  async commit(batch: Asked[]): Promise<Settled<Placed>[]> {
    return (await this.commitIfAllFit(batch)) ?? this.commitEachByItself(batch);
  }

  /**
   * The usual case, at the price of one round trip: nobody brought a key, and there is enough for all. Between two
   * statements a busy process serves other requests first, while the rows stay locked.
   */
  private async commitIfAllFit(batch: Asked[]): Promise<Settled<Placed>[] | undefined> {
    if (batch.some(({ key }) => key !== undefined)) return undefined;
    const requested = batch.map(requestedOrders);
    if (requested.some((orders, index) => orders.length < batch[index]!.lines.length)) return undefined;
    const grants = await this.repository.placeIfAllFit(requested.flat(), this.config.currency);
    const grantedTo = (order: RequestedOrder): GrantedOrder => ({ ...order, ...grants!.get(order.orderId)! });
    return grants && requested.map((orders) => this.placed(orders.map(grantedTo)));
  }

  /** In arrival order: one that does not fit fails alone. */
  private commitEachByItself(batch: Asked[]): Promise<Settled<Placed>[]> {
    return this.dataSource.transaction(async (tx) => {
      const keys = batch.flatMap(({ key }) => key ?? []);
      const claims = keys.length === 0 ? new Map() : await this.idempotency.claim(tx, keys);
      const requested = batch.map(requestedOrders);
      const products = await this.stock.lockForPlacement(tx, requested.flat());
      const verdicts = verdictsOn(batch, products, claims);
      const granted = verdicts.map((verdict, index) => grantedOrders(verdict, requested[index]!));
      const settled = verdicts.map((verdict, index) => this.settle(verdict, granted[index]!));
      const answers = batch.flatMap(({ key }, index) =>
        key && isRemembered(verdicts[index]!) ? [{ ...key, ...answerOf(settled[index]!) }] : [],
      );
      await this.repository.write(tx, granted.flat(), answers, this.config);
      return settled.map((own, index) => repeat(verdicts[index]!, settled) ?? own);
    });
  }

  private settle(verdict: Verdict, granted: GrantedOrder[]): Settled<Placed> {
    switch (verdict.kind) {
      case 'granted':
        return this.placed(granted);
      case 'refused':
        return { error: verdict.refusal };
      case 'remembered':
        return replay(verdict.claim.remembered);
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
function repeat(verdict: Verdict, settled: Settled<Placed>[]): Settled<Placed> | undefined {
  return verdict.kind === 'repeats' ? replay(answerOf(settled[verdict.earlier]!)) : undefined;
}

function answerOf(settled: Settled<Placed>): StoredAnswer {
  if ('result' in settled) return { status: CREATED, answer: settled.result.orders };
  const { message: detail, errors } = settled.error as InsufficientStock;
  return { status: CONFLICT, answer: { detail, errors } satisfies RememberedRefusal };
}

function replay({ status, answer }: StoredAnswer): Settled<Placed> {
  if (status === CREATED) return { result: { orders: answer as Order[], replayed: true } };
  const { detail, errors } = answer as RememberedRefusal;
  const refusal = new InsufficientStock(detail, errors);
  refusal.headers['idempotency-replayed'] = 'true';
  return { error: refusal };
}
