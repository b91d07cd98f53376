import { Injectable } from '@nestjs/common';
import { row, type Transaction } from '../../database/sql';
import type { OutgoingMessage } from '../message';

/** Between two replayed messages of a vendor: 20 a second, over all replays and processes, beside its daily business. */
export const REPLAY_GAP_MS = 50;

/** Spreads the messages of replays over time, so that no vendor is stampeded by what had piled up for it. */
@Injectable()
export class ReplayPaceRepository {
  /** Gives each message its time, in the order given. Others that replay for the same vendors wait for our end. */
  async spread(tx: Transaction, messages: OutgoingMessage[]): Promise<OutgoingMessage[]> {
    const vendorIds = [...new Set(messages.map(({ vendorId }) => vendorId))].toSorted();
    const spread: OutgoingMessage[] = [];
    for (const vendorId of vendorIds) {
      const own = messages.filter((message) => message.vendorId === vendorId);
      const firstMs = await this.reserve(tx, vendorId, own.length);
      spread.push(...own.map((message, index) => ({ ...message, delayMs: firstMs + index * REPLAY_GAP_MS })));
    }
    return spread;
  }

  /** Answers in how many milliseconds the first of so many messages is due. */
  private async reserve(tx: Transaction, vendorId: string, count: number): Promise<number> {
    const { delay_ms } = (await row<{ delay_ms: number }>(
      tx,
      `INSERT INTO replay_pace AS pace (vendor_id, until) VALUES ($1, clock_timestamp() + $2::float8 * interval '1 ms')
       ON CONFLICT (vendor_id) DO UPDATE
         SET until = GREATEST(pace.until, clock_timestamp()) + $2::float8 * interval '1 ms'
       RETURNING GREATEST(extract(epoch FROM until - clock_timestamp()) * 1000 - $2::float8, 0)::float8 AS delay_ms`,
      [vendorId, count * REPLAY_GAP_MS],
    ))!;
    return delay_ms;
  }
}
