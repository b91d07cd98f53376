import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config';
import type { Message } from '../../messaging/message';
import type { Vendor } from '../../vendors/vendor';
import type { AttemptHistory } from './attempt.repository';
import { backoffMs } from './backoff';
import type { Claim, Shut } from './claim.repository';

/** What waits for a vendor comes again over this time, and not all at once. */
const WAITING_SPREAD_MS = 1000;

/** How long, how often and how soon again an order is tried. */
@Injectable()
export class Patience {
  constructor(private readonly config: Config) {}

  /** Why nothing may be sent any more, or undefined. */
  limitReached({ usedUp, tooOld }: Claim, vendor: Vendor, { counted }: AttemptHistory): string | undefined {
    if (usedUp) return `${vendor.name} gave no definite answer to ${counted} purchases sent.`;
    if (!tooOld) return undefined;
    return `${vendor.name} gave no definite answer within ${seconds(this.config.deliveryAgeMsMax)}.`;
  }

  /** In milliseconds: the backoff, or as long as the vendor asked for. */
  delayMsAfter({ attempt }: Message, askedForMs = 0): number {
    const { retryDelayMsBase, retryDelayMsMax } = this.config;
    return Math.max(askedForMs, backoffMs(attempt, retryDelayMsBase, retryDelayMsMax));
  }

  /**
   * The same before a look-up. One at the moment when "not found" begins to prove something is worth more than a later one, but
   * no reason to come sooner than the vendor asked.
   */
  delayMsToLookUp(message: Message, { provableInMs }: AttemptHistory, askedForMs = 0): number {
    const waitMs = this.delayMsAfter(message, askedForMs);
    return provableInMs > 0 ? Math.max(askedForMs, Math.min(waitMs, provableInMs)) : waitMs;
  }

  /** In milliseconds, for an order whose vendor may not be called: until it may, as far as that is known, and a little. */
  delayMsWhile({ openMs }: Shut): number {
    return openMs + WAITING_SPREAD_MS * Math.random();
  }
}

export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
