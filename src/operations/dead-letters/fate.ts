import type { OpenDeadLetter } from '../../messaging/dead-letters/dead-letter.repository';
import type { Order } from '../../orders/order';

/**
 * What replaying an open dead letter does: `resend` puts its order back on its way; `dismiss` closes it, for its order
 * is decided and nothing is left to send; `keep` leaves it open, because sending would not mend it.
 */
export type Fate = { kind: 'resend' } | { kind: 'dismiss' } | { kind: 'keep'; why: string };

/** How an order stands. */
export type Standing = Pick<Order, 'orderId' | 'status' | 'needsAttention'>;

/** `order`: the one that the letter names; undefined where there is none. */
export function fateOf({ orderId, payload }: OpenDeadLetter, order: Standing | undefined): Fate {
  if (orderId === null) return { kind: 'keep', why: 'The message names no order, so there is nothing to send again.' };
  if (order === undefined) {
    return { kind: 'keep', why: `The message names ${orderId}, and there is no such order to send again.` };
  }
  if (order.status === 'pending') return { kind: 'resend' };
  const { vendorOrderId } = payload;
  if (typeof vendorOrderId !== 'string' || !order.needsAttention) return { kind: 'dismiss' };
  const acceptance = `The vendor accepted the order as ${vendorOrderId} after it had failed here.`;
  return { kind: 'keep', why: `${acceptance} Sending would not mend that: cancel it at the vendor.` };
}
