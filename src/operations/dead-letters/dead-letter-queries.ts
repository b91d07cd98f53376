import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ListsDataSource } from '../../database/pools';
import { type Connection, row, rows } from '../../database/sql';
import { timestampText } from '../../http/cursor';
import { UUID } from '../../http/rules';
import type { DeadLetter, DeadLetterAttempt, DeadLetterStatus } from './dead-letter';
import { DeadLetterNotFound } from './dead-letter.errors';

/** Of an order's attempts, the last: one that cannot be sent makes a new one every few seconds, for a day. */
const ATTEMPTS_MAX = 50;

export interface DeadLetterFilter {
  vendorId?: string;
  status?: DeadLetterStatus;
  /** Sort key of the last letter of the page before. */
  after?: readonly [createdAt: string, deadLetterId: string];
  limit: number;
}

type LetterRow = Omit<DeadLetter, 'attempts' | 'createdAt' | 'decidedAt'> & {
  createdAt: Date;
  decidedAt: Date | null;
  sort_key: string;
};

type AttemptRow = Omit<DeadLetterAttempt, 'at' | 'finishedAt'> & { orderId: string; at: Date; finishedAt: Date | null };

const COLUMNS = `dead_letter_id AS "deadLetterId", vendor_id AS "vendorId", order_id AS "orderId", status, cause, payload,
  created_at AS "createdAt", decided_at AS "decidedAt", decided_by AS "decidedBy", ${timestampText('created_at')} AS sort_key`;

/** Dead letters as an operator sees them, with what was tried for their orders. */
@Injectable()
export class DeadLetterQueries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly lists: ListsDataSource,
  ) {}

  /** Throws `DeadLetterNotFound`. */
  async get(deadLetterId: string): Promise<DeadLetter> {
    const statement = `SELECT ${COLUMNS} FROM dead_letters WHERE dead_letter_id = $1`;
    const found = UUID.test(deadLetterId)
      ? await row<LetterRow>(this.dataSource.manager, statement, [deadLetterId])
      : undefined;
    if (!found) throw new DeadLetterNotFound(deadLetterId);
    return (await this.withAttempts(this.dataSource.manager, [found]))[0]!;
  }

  /** Newest first, with their sort keys. */
  async list(filter: DeadLetterFilter): Promise<{ letter: DeadLetter; sortKey: readonly string[] }[]> {
    const { conditions, values } = conditionsOf(filter);
    const statement = `SELECT ${COLUMNS} FROM dead_letters ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
       ORDER BY created_at DESC, dead_letter_id DESC LIMIT ${filter.limit}`;
    return this.lists.read(async (on) => {
      const found = await rows<LetterRow>(on, statement, values);
      const letters = await this.withAttempts(on, found);
      return letters.map((letter, index) => ({ letter, sortKey: [found[index]!.sort_key, letter.deadLetterId] }));
    });
  }

  /** Of every vendor that is registered or has some; vendor null: those that name none. */
  countOpen(on: Connection): Promise<{ vendorId: string | null; count: number }[]> {
    return rows(
      on,
      `WITH open AS (SELECT vendor_id, count(*) AS count FROM dead_letters WHERE status = 'open' GROUP BY vendor_id)
       SELECT vendor_id AS "vendorId", COALESCE(count, 0)::integer AS count
       FROM (SELECT vendor_id FROM vendors) v FULL JOIN open USING (vendor_id)`,
    );
  }

  private async withAttempts(on: Connection, found: LetterRow[]): Promise<DeadLetter[]> {
    const named = found.map(({ orderId }) => orderId).filter((orderId) => orderId !== null);
    const attempts = await this.attemptsOf(on, named);
    return found.map(({ sort_key: _, ...letter }) => ({
      ...letter,
      attempts: attempts.get(letter.orderId ?? '') ?? [],
      createdAt: letter.createdAt.toISOString(),
      decidedAt: letter.decidedAt?.toISOString() ?? null,
    }));
  }

  /** Oldest first, by order. */
  private async attemptsOf(on: Connection, orderIds: string[]): Promise<Map<string, DeadLetterAttempt[]>> {
    const found = await rows<AttemptRow>(
      on,
      `SELECT made.order_id AS "orderId", started_at AS at, finished_at AS "finishedAt", outcome, detail, counted
       FROM (SELECT DISTINCT unnest($1::varchar[])) AS named (order_id)
       CROSS JOIN LATERAL (
         SELECT * FROM dispatch_attempts a WHERE a.order_id = named.order_id ORDER BY a.token DESC LIMIT ${ATTEMPTS_MAX}
       ) AS made
       ORDER BY made.order_id, made.token`,
      [orderIds],
    );
    const byOrder = new Map<string, DeadLetterAttempt[]>();
    for (const { orderId, at, finishedAt, ...attempt } of found) {
      const made = { at: at.toISOString(), finishedAt: finishedAt?.toISOString() ?? null, ...attempt };
      byOrder.set(orderId, [...(byOrder.get(orderId) ?? []), made]);
    }
    return byOrder;
  }
}

/** Only the conditions that are asked for, so that each has an index the planner can see. */
function conditionsOf(filter: DeadLetterFilter): { conditions: string[]; values: unknown[] } {
  const values: unknown[] = [];
  const placeholder = (value: unknown): string => `$${values.push(value)}`;
  const conditions: string[] = [];
  if (filter.vendorId !== undefined) conditions.push(`vendor_id = ${placeholder(filter.vendorId)}`);
  if (filter.status !== undefined) conditions.push(`status = ${placeholder(filter.status)}`);
  if (filter.after !== undefined) {
    const [createdAt, deadLetterId] = filter.after;
    conditions.push(
      `(created_at, dead_letter_id) < (${placeholder(createdAt)}::timestamptz, ${placeholder(deadLetterId)}::varchar)`,
    );
  }
  return { conditions, values };
}
