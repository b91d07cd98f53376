import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config';
import type { Message } from '../../messaging/message';
import type { Vendor } from '../../vendors/vendor';
import type { AttemptHistory } from './attempt.repository';
import { backoffMs } from './backoff';
import type { Claim } from './claim.repository';

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
}

export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
