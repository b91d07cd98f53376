import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { uuidv7 } from 'uuidv7';
import { Config } from '../../config/config';
import type { Transaction } from '../../database/sql';
import { Outbox } from '../../messaging/outbox';
import { parseProductId } from '../../stock/product';
import { ProductNotFound } from '../../stock/stock.errors';
import { StockRepository } from '../../stock/stock.repository';
import { VendorDisabled } from '../../vendors/vendors.errors';
import type { Order } from '../order';
import { OrderEventsRepository } from '../order-events.repository';
import { ORDER_PLACED, type OrderPlaced } from '../order.messages';
import { OrderRepository } from '../order.repository';
import { IdempotencyInProgress, IdempotencyKeyReused, InsufficientStock } from '../orders.errors';
import { Admission } from './admission';
import { fingerprintOf, IdempotencyRepository, type IdempotencyKey, type StoredAnswer } from './idempotency.repository';

const ROUTE = 'POST /v1/orders';
const CREATED = 201;
const CONFLICT = 409;

export interface PlaceOrder {
  productId: string;
  quantity: number;
  /** Who places it; owns the idempotency key. */
  client: string;
  idempotencyKey?: string;
  traceparent?: string;
}

/** `replayed`: this is the first answer to the same key again. */
export interface Placed {
  order: Order;
  replayed: boolean;
}

/** How a transaction ended: refusals that are remembered commit, and are thrown only afterwards. */
type Decision = Placed | { refusal: InsufficientStock; replayed: boolean };

/**
 * Takes orders. One transaction: idempotency key, stock, order, event, message; answered after its commit. The
 * product's row lock puts orders for one product in a row, so that none is granted beyond what is there.
 */
@Injectable()
export class Placement {
  constructor(
    private readonly dataSource: DataSource,
    private readonly admission: Admission,
    private readonly stock: StockRepository,
    private readonly orders: OrderRepository,
    private readonly events: OrderEventsRepository,
    private readonly idempotency: IdempotencyRepository,
    private readonly outbox: Outbox,
    private readonly config: Config,
  ) {}

  /**
   * Throws `ProductNotFound`, `VendorDisabled`, `InsufficientStock`, `IdempotencyInProgress`, `IdempotencyKeyReused`,
   * `Overloaded`.
   */
  async place(request: PlaceOrder): Promise<Placed> {
    const key = keyOf(request);
    const decision = await this.admission.admit(() =>
      this.dataSource.transaction((tx) => this.decide(tx, request, key)),
    );
    if ('refusal' in decision) throw decision.refusal;
    if (!decision.replayed) this.outbox.wake();
    return decision;
  }

  private async decide(tx: Transaction, request: PlaceOrder, key: IdempotencyKey | undefined): Promise<Decision> {
    if (key === undefined) return this.grant(tx, request);
    const remembered = await this.claim(tx, key);
    if (remembered) return replay(remembered);
    const decision = await this.grant(tx, request);
    await this.idempotency.store(tx, key, answerOf(decision), this.config.idempotencyTtlHours);
    return decision;
  }

  private async claim(tx: Transaction, key: IdempotencyKey): Promise<StoredAnswer | undefined> {
    if (!(await this.idempotency.tryLock(tx, key))) throw new IdempotencyInProgress();
    const remembered = await this.idempotency.find(tx, key);
    if (remembered && !remembered.fingerprint.equals(key.fingerprint)) throw new IdempotencyKeyReused();
    return remembered;
  }

  private async grant(tx: Transaction, { productId, quantity, client, traceparent }: PlaceOrder): Promise<Decision> {
    const parsed = parseProductId(productId);
    const product = parsed && (await this.stock.lockForPlacement(tx, parsed.vendorId, productId));
    if (!product) throw new ProductNotFound(productId);
    const { vendorId } = parsed;
    if (!product.vendorEnabled) throw new VendorDisabled(vendorId);
    const availableQuantity = product.sellableQuantity;
    if (quantity > availableQuantity) {
      return { refusal: new InsufficientStock(productId, quantity, availableQuantity), replayed: false };
    }
    await this.stock.reserve(tx, vendorId, productId, quantity);
    const order = await this.orders.insert(tx, {
      orderId: uuidv7(),
      vendorId,
      productId,
      quantity,
      unitPrice: product.price,
      currency: this.config.currency,
      availableQuantity,
      client,
    });
    await this.events.add(
      tx,
      order.orderId,
      'placed',
      `${quantity} reserved of ${availableQuantity} that could be sold.`,
    );
    const payload: OrderPlaced = { orderId: order.orderId };
    await this.outbox.enqueue(tx, [{ type: ORDER_PLACED, vendorId, subject: order.orderId, payload, traceparent }]);
    return { order, replayed: false };
  }
}

function keyOf({ idempotencyKey, client, productId, quantity }: PlaceOrder): IdempotencyKey | undefined {
  if (idempotencyKey === undefined) return undefined;
  return { client, route: ROUTE, key: idempotencyKey, fingerprint: fingerprintOf({ productId, quantity }) };
}

/** An InsufficientStock is kept as the numbers it is made of. */
interface RememberedRefusal {
  productId: string;
  requested: number;
  available: number;
}

function answerOf(decision: Decision): StoredAnswer {
  if ('order' in decision) return { status: CREATED, answer: decision.order };
  const { productId, requested, available } = decision.refusal;
  return { status: CONFLICT, answer: { productId, requested, available } satisfies RememberedRefusal };
}

function replay({ status, answer }: StoredAnswer): Decision {
  if (status === CREATED) return { order: answer as Order, replayed: true };
  const { productId, requested, available } = answer as RememberedRefusal;
  const refusal = new InsufficientStock(productId, requested, available);
  refusal.headers['idempotency-replayed'] = 'true';
  return { refusal, replayed: true };
}
