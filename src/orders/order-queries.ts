import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ListsDataSource } from '../database/pools';
import { type Connection, row, rows } from '../database/sql';
import { timestampText } from '../http/cursor';
import { UUID } from '../http/rules';
import { parseProductId } from '../stock/product';
import { type Order, ORDER_COLUMNS, orderOf, type OrderRow } from './order';
import { type OrderEvent, OrderEventsRepository } from './order-events.repository';
import type { OrderStatus } from './order-status';
import { CheckoutNotFound, OrderNotFound } from './orders.errors';

export interface OrderFilter {
  status?: OrderStatus;
  vendorId?: string;
  productId?: string;
  checkoutId?: string;
  needsAttention?: boolean;
  /** ISO 8601, inclusive. */
  createdAfter?: string;
  /** ISO 8601, exclusive. */
  createdBefore?: string;
  /** Sort key of the last order of the page before. */
  after?: readonly [createdAt: string, orderId: string];
  limit: number;
}

/** A listed order and its place in the list. */
export interface ListedOrder {
  order: Order;
  sortKey: readonly [createdAt: string, orderId: string];
}

@Injectable()
export class OrderQueries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly lists: ListsDataSource,
    private readonly orderEvents: OrderEventsRepository,
  ) {}

  /** Throws `OrderNotFound`. */
  async get(orderId: string, on: Connection = this.dataSource.manager): Promise<Order> {
    const found = UUID.test(orderId)
      ? await row<OrderRow>(on, `SELECT ${ORDER_COLUMNS} FROM orders WHERE order_id = $1`, [orderId])
      : undefined;
    if (!found) throw new OrderNotFound(orderId);
    return orderOf(found);
  }

  /** Those of the ids that exist. */
  async findMany(orderIds: string[], on: Connection = this.dataSource.manager): Promise<Order[]> {
    const statement = `SELECT ${ORDER_COLUMNS} FROM orders WHERE order_id = ANY($1)`;
    return (await rows<OrderRow>(on, statement, [orderIds])).map(orderOf);
  }

  /** A checkout's orders, as its lines were. Throws `CheckoutNotFound`. */
  async ofCheckout(checkoutId: string): Promise<[Order, ...Order[]]> {
    const statement = `SELECT ${ORDER_COLUMNS} FROM orders WHERE checkout_id = $1 ORDER BY order_id`;
    const found = UUID.test(checkoutId) ? await rows<OrderRow>(this.dataSource.manager, statement, [checkoutId]) : [];
    const [first, ...others] = found.map(orderOf);
    if (!first) throw new CheckoutNotFound(checkoutId);
    return [first, ...others];
  }

  /** Throws `OrderNotFound`. */
  async events(orderId: string): Promise<OrderEvent[]> {
    await this.get(orderId);
    return this.orderEvents.list(this.dataSource.manager, orderId);
  }

  /** Newest first. */
  async list(filter: OrderFilter): Promise<ListedOrder[]> {
    // A product names its vendor: no need to read all its orders to find none of another vendor's.
    const { productId, vendorId } = filter;
    if (productId !== undefined && vendorId !== undefined && parseProductId(productId)?.vendorId !== vendorId)
      return [];
    const { conditions, values } = conditionsOf(filter);
    const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
    const statement = `SELECT ${ORDER_COLUMNS}, ${timestampText('created_at')} AS created_at_text FROM orders ${where}
       ORDER BY created_at DESC, order_id DESC LIMIT ${filter.limit}`;
    const found = await this.lists.read((on) => rows<OrderRow & { created_at_text: string }>(on, statement, values));
    return found.map((listed) => ({ order: orderOf(listed), sortKey: [listed.created_at_text, listed.order_id] }));
  }
}

/** Only the conditions that are asked for, so that each has an index the planner can see. */
function conditionsOf(filter: OrderFilter): { conditions: string[]; values: unknown[] } {
  const values: unknown[] = [];
  const placeholder = (value: unknown): string => `$${values.push(value)}`;
  const conditions: string[] = [];
  if (filter.status !== undefined) conditions.push(`status = ${placeholder(filter.status)}::order_status`);
  if (filter.vendorId !== undefined) conditions.push(`vendor_id = ${placeholder(filter.vendorId)}`);
  if (filter.productId !== undefined) conditions.push(`product_id = ${placeholder(filter.productId)}`);
  if (filter.checkoutId !== undefined) conditions.push(`checkout_id = ${placeholder(filter.checkoutId)}`);
  if (filter.needsAttention !== undefined)
    conditions.push(filter.needsAttention ? 'needs_attention' : 'NOT needs_attention');
  if (filter.createdAfter !== undefined) conditions.push(`created_at >= ${placeholder(filter.createdAfter)}`);
  if (filter.createdBefore !== undefined) conditions.push(`created_at < ${placeholder(filter.createdBefore)}`);
  if (filter.after !== undefined) {
    const [createdAt, orderId] = filter.after;
    conditions.push(
      `(created_at, order_id) < (${placeholder(createdAt)}::timestamptz, ${placeholder(orderId)}::varchar)`,
    );
  }
  return { conditions, values };
}
