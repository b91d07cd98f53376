import type { Call } from '../world/counter';
import type { Evidence, Violation } from './evidence';
import { grouped } from './grouped';

/** Between a worker's clock and ours lie a database, a wire and a busy machine. */
const TOLERANCE_MS = 250;
/** The vendor says that it did nothing. */
const TOO_MANY_REQUESTS = 429;

/**
 * The simulated vendors know a reference again, so a purchase that is sent twice shows in no ledger; a vendor that does
 * not would sell twice. So nothing may be sent again before a look-up, made late enough to prove that nothing was bought.
 */
export function checkCalls({ calls, provableMs }: Evidence): Violation[] {
  return [...grouped(calls, ({ reference }) => reference).values()].flatMap((about) =>
    about.flatMap((call, index) =>
      call.kind === 'purchase' ? checkPurchase(call, about.slice(0, index), provableMs) : [],
    ),
  );
}

function checkPurchase(purchase: Call, before: Call[], provableMs: number): Violation[] {
  const last = before.findLastIndex(({ kind, status }) => kind === 'purchase' && status !== TOO_MANY_REQUESTS);
  if (last < 0) return [];
  const sinceMs = (call: Call): number => Math.round(call.atMs - before[last]!.atMs);
  const orderId = purchase.reference;
  const lookUp = before.slice(last + 1).findLast(({ kind }) => kind === 'lookUp');
  if (!lookUp) {
    const detail = `sent again after ${sinceMs(purchase)} ms without a look-up`;
    return [{ check: 'nothing is sent again before it was looked up', harm: 'boughtTwice', orderId, detail }];
  }
  if (sinceMs(lookUp) >= provableMs - TOLERANCE_MS) return [];
  const detail = `sent again after a look-up ${sinceMs(lookUp)} ms after the last purchase, which proves nothing yet`;
  return [{ check: 'a look-up is believed when it proves something', harm: 'boughtTwice', orderId, detail }];
}
