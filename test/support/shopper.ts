import { Pool } from 'undici';
import type { Json } from './client';

/** What was answered. */
export interface Told {
  status: number;
  /** The problem's code. */
  code?: string;
  /** One for an order, one a line for a checkout. */
  orderIds: string[];
  replayed: boolean;
  body: Json;
}

/** No answer came: the request may or may not have been carried out. */
export interface Silence {
  silence: string;
}

/** Buyers that share a bounded number of connections, kept alive, so that no number of requests uses up the ports. */
export class Shopper {
  private readonly pool: Pool;

  constructor(
    url: string,
    private readonly apiKey: string,
    connections: number,
  ) {
    this.pool = new Pool(url, { connections, pipelining: 1 });
  }

  order(productId: string, key?: string): Promise<Told | Silence> {
    return this.ask('/v1/orders', { productId, quantity: 1 }, key);
  }

  async ask(path: string, body: object, key?: string): Promise<Told | Silence> {
    try {
      const {
        statusCode,
        headers,
        body: stream,
      } = await this.pool.request({
        path,
        method: 'POST',
        headers: {
          authorization: `Bearer ${this.apiKey}`,
          'content-type': 'application/json',
          ...(key !== undefined && { 'idempotency-key': key }),
        },
        body: JSON.stringify(body),
      });
      const told: Json = await stream.json();
      const orders: Json[] = told.orders ?? (told.orderId === undefined ? [] : [told]);
      return {
        status: statusCode,
        code: told.code,
        orderIds: orders.map(({ orderId }) => orderId),
        replayed: headers['idempotency-replayed'] === 'true',
        body: told,
      };
    } catch (error) {
      return { silence: (error as { code?: string }).code ?? (error as Error).message };
    }
  }

  close(): Promise<void> {
    return this.pool.destroy();
  }
}

/** How often each status and code, or silence, was the answer. */
export function tally(answers: (Told | Silence)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const what = 'silence' in answer ? answer.silence : [answer.status, answer.code].join(' ').trim();
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}
