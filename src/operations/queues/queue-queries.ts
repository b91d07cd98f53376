import { Injectable } from '@nestjs/common';
import { ListsDataSource } from '../../database/pools';
import { type Connection, row, rows } from '../../database/sql';

/** A vendor's orders that wait for its answer, or for their turn. */
export interface Queue {
  vendorId: string;
  /** Could be taken now. */
  ready: number;
  /** In a worker's hand. */
  inFlight: number;
  /** Messages that come at a later time. */
  scheduled: number;
  /** Since the oldest of those ready or in flight was placed, or replayed; 0 without any. */
  oldestSeconds: number;
  paused: boolean;
}

export interface Queues {
  vendors: Queue[];
  /** What is due and has not reached the broker (RabbitMQ), or has not been dealt with (embedded). */
  outbox: { pending: number; oldestSeconds: number };
  /** Open ones. */
  deadLetters: number;
}

const seconds = (since: string): string => `COALESCE(floor(extract(epoch FROM now() - ${since})), 0)::integer`;

/**
 * How much waits where, counted in the database at the moment of asking: the same on both transports, and true while a
 * broker is away. It counts orders, not messages: a broker tells nobody what is in its consumers' hands, and one order
 * may have two messages. Reads every order that is undecided: 100,000 of them take a fifth of a second.
 */
@Injectable()
export class QueueQueries {
  constructor(private readonly lists: ListsDataSource) {}

  async get(): Promise<Queues> {
    return this.lists.read(async (on) => ({
      vendors: await this.ofVendors(on),
      outbox: await this.ofOutbox(on),
      deadLetters: await this.dead(on),
    }));
  }

  ofVendors(on: Connection): Promise<Queue[]> {
    return rows<Queue>(
      on,
      `WITH later AS (
         SELECT subject, vendor_id FROM outbox WHERE due_at > now()
       ), open AS (
         SELECT vendor_id, COALESCE(tried_from, created_at) AS since, COALESCE(claimed_until > now(), false) AS in_hand,
                NOT needs_attention AND later.subject IS NULL AS may_be_taken
         FROM orders o LEFT JOIN (SELECT DISTINCT subject FROM later) AS later ON later.subject = o.order_id
         WHERE status = 'pending' OR recall_requested_at IS NOT NULL
       ), counted AS (
         SELECT vendor_id, count(*) FILTER (WHERE in_hand) AS in_flight,
                count(*) FILTER (WHERE may_be_taken AND NOT in_hand) AS ready,
                min(since) FILTER (WHERE may_be_taken OR in_hand) AS oldest
         FROM open GROUP BY vendor_id
       ), scheduled AS (
         SELECT vendor_id, count(*) AS messages FROM later GROUP BY vendor_id
       )
       SELECT v.vendor_id AS "vendorId", COALESCE(ready, 0)::integer AS ready,
              COALESCE(in_flight, 0)::integer AS "inFlight", COALESCE(messages, 0)::integer AS scheduled,
              ${seconds('oldest')} AS "oldestSeconds", v.paused AS paused
       FROM vendors v LEFT JOIN counted USING (vendor_id) LEFT JOIN scheduled USING (vendor_id)
       ORDER BY vendor_id`,
    );
  }

  async ofOutbox(on: Connection): Promise<Queues['outbox']> {
    return (await row<Queues['outbox']>(
      on,
      `SELECT count(*)::integer AS pending, ${seconds('min(due_at)')} AS "oldestSeconds"
       FROM outbox WHERE due_at <= now()`,
    ))!;
  }

  private async dead(on: Connection): Promise<number> {
    const statement = `SELECT count(*)::integer AS count FROM dead_letters WHERE status = 'open'`;
    return (await row<{ count: number }>(on, statement))!.count;
  }
}
