import type { FieldError } from '../../http/problem-types';
import { asPlaced, type Order } from '../order';
import { InsufficientStock } from '../orders.errors';
import type { Settled } from './lane';

/** One order for each line. `replayed`: this is the first answer to the same key again. */
export interface Placed {
  orders: Order[];
  replayed: boolean;
}

/**
 * The first answer to a key, as it is kept: orders by their ids, for what was answered of them never changes; a refusal
 * for want of stock whole.
 */
export type StoredAnswer =
  { status: 201; answer: { orderIds: string[] } } | { status: 409; answer: { detail: string; errors: FieldError[] } };

export function createdAnswer(orderIds: string[]): StoredAnswer {
  return { status: 201, answer: { orderIds } };
}

/** Only what was created, and insufficient stock, are kept. */
export function answerToKeep(settled: Settled<Placed>): StoredAnswer {
  if ('result' in settled) return createdAnswer(settled.result.orders.map(({ orderId }) => orderId));
  const { message: detail, errors } = settled.error as InsufficientStock;
  return { status: 409, answer: { detail, errors } };
}

export function orderIdsIn({ status, answer }: StoredAnswer): string[] {
  return status === 201 ? answer.orderIds : [];
}

/** Gives a kept answer again. `orders` has those it names, as they are now. */
export function replay({ status, answer }: StoredAnswer, orders: ReadonlyMap<string, Order>): Settled<Placed> {
  if (status === 201) {
    return { result: { orders: answer.orderIds.map((orderId) => asPlaced(orders.get(orderId)!)), replayed: true } };
  }
  const refusal = new InsufficientStock(answer.detail, answer.errors);
  refusal.headers['idempotency-replayed'] = 'true';
  return { error: refusal };
}
