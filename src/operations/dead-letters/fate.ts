import type { OpenDeadLetter } from '../../messaging/dead-letters/dead-letter.repository';
import { isUndecided } from '../../orders/fulfilment/revival';
import type { OrderStanding } from '../../orders/order.repository';

/**
 * What replaying an open dead letter does: `resend` puts its order back on its way; `dismiss` closes it, for its order
 * is decided and nothing is left to send; `keep` leaves it open, because sending would not mend it.
 */
export type Fate = { kind: 'resend' } | { kind: 'dismiss' } | { kind: 'keep'; why: string };

/** `order`: the one that the letter names; undefined where there is none. */
export function fateOf({ orderId, payload }: OpenDeadLetter, order: OrderStanding | undefined): Fate {
  if (orderId === null) return { kind: 'keep', why: 'The message names no order, so there is nothing to send again.' };
  if (order === undefined) {
    return { kind: 'keep', why: `The message names ${orderId}, and there is no such order to send again.` };
  }
  if (isUndecided(order)) return { kind: 'resend' };
  const { vendorOrderId } = payload;
  if (typeof vendorOrderId !== 'string' || !order.needsAttention) return { kind: 'dismiss' };
  const quarrel = `The vendor has the order as ${vendorOrderId}, though it has failed here, and would not cancel it.`;
  return { kind: 'keep', why: `${quarrel} Sending does not mend that: settle it with the vendor.` };
}
