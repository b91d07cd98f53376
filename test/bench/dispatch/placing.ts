import { waitFor } from '../../support/wait';
import type { Percentiles } from '../statistics';
import type { Testbed } from '../testbed';
import { type Surroundings, VENDORS } from './surroundings';

const DRAIN_MS_MAX = 5 * 60_000;

/** From an order's commit to its acceptance at the vendor, which answers after `ANSWER_MS`; and orders a second. */
export interface Dispatched {
  perSecond: number;
  latencyMs: Percentiles;
}

/** Places orders at the measured vendors at this rate and waits until all are completed. */
export async function place(
  { testbed, productIds }: Surroundings,
  ratePerSecond: number,
  seconds: number,
  bodies = bodiesOf(productIds(VENDORS)),
): Promise<Dispatched> {
  const { database, generator, apis, apiKey } = testbed;
  const from = await now(testbed);
  await generator.run({
    kind: 'open',
    url: apis[0].url,
    path: '/v1/orders',
    apiKey,
    ratePerSecond,
    seconds,
    bodies,
  });
  await waitFor(async () => !(await someAreOpen(testbed, from)), {
    withinMs: DRAIN_MS_MAX,
    what: 'every order to be completed',
  });
  const { rows } = await database.query<{ per_second: number } & Record<keyof Percentiles, number>>(
    `SELECT (count(*) / extract(epoch FROM max(acknowledged_at) - min(created_at)))::float8 AS per_second,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_disc(0.95) WITHIN GROUP (ORDER BY ms) AS p95,
            percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) AS p99, max(ms) AS max
     FROM (SELECT *, (extract(epoch FROM accepted_at - created_at) * 1000)::float8 AS ms FROM orders
           WHERE vendor_id = ANY($1) AND created_at >= $2 AND status = 'completed') o`,
    [VENDORS, from],
  );
  const { per_second: perSecond, ...latencyMs } = rows[0]!;
  return { perSecond, latencyMs };
}

export function bodiesOf(productIds: string[]): string[] {
  return productIds.map((productId) => JSON.stringify({ productId, quantity: 1 }));
}

export async function now({ database }: Testbed): Promise<Date> {
  return (await database.query<{ now: Date }>('SELECT clock_timestamp() AS now')).rows[0]!.now;
}

/** Asked every few milliseconds, so it stops at the first. */
async function someAreOpen({ database }: Testbed, from: Date): Promise<boolean> {
  const { rows } = await database.query<{ exists: boolean }>(
    `SELECT EXISTS (SELECT FROM orders WHERE vendor_id = ANY($1) AND created_at >= $2 AND status = 'pending')`,
    [VENDORS, from],
  );
  return rows[0]!.exists;
}
