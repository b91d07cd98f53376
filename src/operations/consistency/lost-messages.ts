import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Broker } from '../../messaging/broker';
import { type Found, SweepRepository } from '../../orders/fulfilment/sweep.repository';
import { MESSAGE_INVARIANT, type Violation } from './invariants';
import type { Violations } from './violation-list';

/** The sweeper has had some twenty chances by then. */
const LOST_FOR_MS = 300_000;
/** Of a vendor's, so many are named unless said. */
const LOST_TOLD_MAX = 100;

interface Lost {
  total: number;
  oldest: Found[];
}

/** What an earlier count has named of them. */
export function lostBefore(before: Violation[]): Violations {
  const listed = before.filter(({ invariant }) => invariant === MESSAGE_INVARIANT);
  return { total: listed.length, listed };
}

/**
 * Orders that are lost between the tables and the broker. A message at the broker is in no table of ours, so they are told
 * by numbers, as the sweeper does: a vendor has more orders without a message than messages wait in its queue.
 */
@Injectable()
export class LostMessages {
  constructor(
    private readonly dataSource: DataSource,
    private readonly broker: Broker,
    private readonly sweep: SweepRepository,
  ) {}

  /** Where the broker cannot be asked, those of `before` are still the last that is known. */
  async violations(before: Violation[], lostForMs = LOST_FOR_MS): Promise<Violations> {
    const violations: Violations = { total: 0, listed: [] };
    for (const vendorId of (await this.sweep.count(this.dataSource.manager, lostForMs)).keys()) {
      const lost = await this.of(vendorId, lostForMs);
      if (!lost) return lostBefore(before);
      violations.total += lost.total;
      violations.listed.push(
        ...lost.oldest.map(({ orderId, since }) => ({
          invariant: MESSAGE_INVARIANT,
          orderId,
          expected: 'a message, a worker that has it in hand, or needsAttention',
          found: `none since ${since.toISOString()}`,
        })),
      );
    }
    return violations;
  }

  /** A vendor's: how many there are, and the oldest of them. Undefined where the broker cannot be asked. */
  async of(vendorId: string, lostForMs: number, limit = LOST_TOLD_MAX): Promise<Lost | undefined> {
    const messages = await this.broker.waiting(vendorId);
    if (messages === undefined) return undefined;
    // Counted after the messages: what is dispatched in between makes too few orders of them, never too many.
    const stranded = (await this.sweep.count(this.dataSource.manager, lostForMs)).get(vendorId) ?? 0;
    const total = Math.max(0, stranded - messages);
    if (total === 0) return { total: 0, oldest: [] };
    const oldest = await this.sweep.oldest(this.dataSource.manager, vendorId, lostForMs, Math.min(total, limit));
    return { total: Math.max(total, oldest.length), oldest };
  }
}
