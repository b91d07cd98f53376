import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '../../support/wait';
import { recordPast } from '../catalogue';
import type { OpenLoop } from '../load/open-loop';
import type { LoadOutcome } from '../load/outcome';
import type { OrderCase } from './cases';
import { type Surroundings, VENDOR_ID } from './surroundings';
import { measureSync, type MeasuredSync } from './sync';

/** Orders at a constant rate, and the sync beside them: placed as long as it took. */
export interface OrdersBeside {
  load: LoadOutcome;
  sync: MeasuredSync | undefined;
}

export const ORDERS_PER_SECOND = 300;
/** What becomes of an order whose product was sold out by what the sync brought. */
export const SOLD_OUT = '409';
const WARM_UP_SECONDS = 4;
/** Longer than any sync: the load is concluded when the sync is over. */
const LOAD_SECONDS_MAX = 15 * 60;
const PRODUCTS = 10_000;
/** So that what is ordered of a product, again and again, is hardly ever sold out. */
const STOCK_MIN = 100;
const DRAIN_MS_MAX = 5 * 60_000;
/** A process of PostgreSQL that does nothing tells its counts this late. */
const COUNTS_LATE_MS = 11_000;

/** Chooses what is ordered, gives it a past, and lets everything run once. */
export async function prepareOrders(surroundings: Surroundings): Promise<string[]> {
  const { database } = surroundings.testbed;
  const { rows } = await database.query<{ product_id: string }>(
    `SELECT product_id FROM products WHERE vendor_id = $1 AND stock_quantity >= $2 ORDER BY md5(product_id) LIMIT $3`,
    [VENDOR_ID, STOCK_MIN, PRODUCTS],
  );
  const productIds = rows.map(({ product_id }) => product_id);
  await recordPast(database, productIds);
  await database.query('VACUUM (ANALYZE) products, orders, order_events');
  await placeOrders(surroundings, productIds, WARM_UP_SECONDS);
  return productIds;
}

/** `round`: from 0; names the vendor that is loaded for the first time. */
export async function placeBeside(
  { beside }: OrderCase,
  surroundings: Surroundings,
  { productIds, seconds, round }: { productIds: string[]; seconds: number; round: number },
): Promise<OrdersBeside> {
  if (beside === 'nothing') return placeOrders(surroundings, productIds, seconds);
  const { vendor } = surroundings;
  if (beside === 'first load') {
    // The same company again, as somebody we do not know yet.
    const first = () => measureSync(surroundings, `another-${round + 1}`, 'changes');
    return placeOrders(surroundings, productIds, LOAD_SECONDS_MAX, first);
  }
  await vendor.touch({ share: beside.touched });
  const whole = () => measureSync(surroundings, VENDOR_ID, 'everything');
  return placeOrders(surroundings, productIds, LOAD_SECONDS_MAX, whole);
}

/** Since the server was started. */
export async function deadlocksSoFar({ testbed }: Surroundings): Promise<number> {
  await pause(COUNTS_LATE_MS);
  const { rows } = await testbed.database.query<{ deadlocks: number }>(
    'SELECT deadlocks::integer FROM pg_stat_database WHERE datname = current_database()',
  );
  return rows[0]!.deadlocks;
}

/** Also sent to the vendor, by the worker that syncs: an order that nobody takes further would be half the work. */
async function placeOrders(
  { testbed }: Surroundings,
  productIds: string[],
  seconds: number,
  sync?: () => Promise<MeasuredSync>,
): Promise<OrdersBeside> {
  const { generator, database, apis, apiKey } = testbed;
  const job: OpenLoop = {
    kind: 'open',
    url: apis[0].url,
    path: '/v1/orders',
    apiKey,
    ratePerSecond: ORDERS_PER_SECOND,
    seconds,
    bodies: productIds.map((productId) => JSON.stringify({ productId, quantity: 1 })),
  };
  const placing = generator.run(job);
  // Awaited below, unless the sync fails first.
  placing.catch(() => undefined);
  let synced: MeasuredSync | undefined;
  try {
    synced = await sync?.();
  } finally {
    if (sync) generator.conclude();
  }
  const { answer: load } = await placing;
  // The next load begins with nothing left to do.
  await waitFor(async () => (await database.query('SELECT FROM outbox LIMIT 1')).rowCount === 0, {
    withinMs: DRAIN_MS_MAX,
    what: 'every order to be sent to its vendor',
  });
  return { load, sync: synced };
}
