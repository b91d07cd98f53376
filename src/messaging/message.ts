import { traceIdOf } from '../observability/spans';

/** A message as every transport carries it: what to do, about what, for which vendor's queue. */
export interface Message {
  messageId: string;
  /** Versioned name, such as `order.placed.v1`. */
  type: string;
  vendorId: string;
  /** What the message is about (an order id). */
  subject: string;
  payload: Record<string, unknown>;
  /** W3C trace context of the request that caused the message. */
  traceparent: string | null;
  /** Counts from 1: how many times the sender has scheduled this. */
  attempt: number;
}

/** What a line of the log about a message carries, so that all lines about an order are found by its id, or by its trace. */
export function labelsOf({ subject, vendorId, messageId, traceparent }: Message) {
  return { orderId: subject, vendorId, messageId, traceId: traceIdOf(traceparent) };
}

/** A message to be sent; what is left out is given by `Outbox.enqueue`. */
export interface OutgoingMessage {
  type: string;
  vendorId: string;
  subject: string;
  payload: Record<string, unknown>;
  traceparent?: string | null;
  /** 1 unless said. */
  attempt?: number;
  /** How long after the write, by the database's clock, the message becomes due. 0 unless said. */
  delayMs?: number;
  /** A new one (UUIDv7) unless said. */
  messageId?: string;
}
