import { UnreadableMessage } from '../messaging/broker';
import type { Message, OutgoingMessage } from '../messaging/message';

/** An order waits to be placed at its vendor. */
export const ORDER_PLACED = 'order.placed.v1';

/** What of an order its message is made of. */
export interface Sendable {
  orderId: string;
  vendorId: string;
  traceparent: string | null;
}

export interface OrderPlaced extends Record<string, unknown> {
  orderId: string;
}

/** `traceparent`: the order's own, so that its trace goes on, whoever sends it on its way again. */
export function orderPlaced({ orderId, vendorId, traceparent }: Sendable): OutgoingMessage {
  const payload: OrderPlaced = { orderId };
  return { type: ORDER_PLACED, vendorId, subject: orderId, payload, traceparent };
}

/** Throws `UnreadableMessage`. */
export function readOrderPlaced({ type, payload }: Message): OrderPlaced {
  if (type !== ORDER_PLACED) throw new UnreadableMessage(`type: expected ${ORDER_PLACED}, found ${type}`);
  const { orderId } = payload;
  if (typeof orderId !== 'string') throw new UnreadableMessage('payload.orderId: expected an order id');
  return { orderId };
}

/** The same once more, due after the delay. */
export function nextOf(
  { type, vendorId, subject, payload, traceparent, attempt }: Message,
  delayMs: number,
): OutgoingMessage {
  return { type, vendorId, subject, payload, traceparent, attempt: attempt + 1, delayMs };
}
