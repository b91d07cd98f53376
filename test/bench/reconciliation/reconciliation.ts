import type { Client } from 'pg';
import { ApiClient } from '../../support/client';
import { waitFor } from '../../support/wait';
import { figure, type Report, spreadText } from '../report';
import { spreadOf } from '../statistics';
import type { StopSteps, Testbed } from '../testbed';
import { ANSWER_MS, ListingVendor } from './listing-vendor';

const VENDOR_ID = 'bookish';
const SLOTS = 4;
const ORDERS = { withoutList: 3000, withList: 30_000 };
/** Without the list, within its slots. */
const ORDERS_PER_SECOND_MIN = 100;
const RUN_MS_MAX = 10 * 60_000;

/** How many orders reconciliation compares a second, at a vendor that lists its orders and at one that does not. */
export async function benchReconciliation(
  testbed: Testbed,
  stopSteps: StopSteps,
  { runs }: { runs: number },
): Promise<Report> {
  const { database } = testbed;
  // Nobody answers for the vendors of the other sections.
  await database.query('UPDATE vendors SET enabled = false');
  const vendor = await ListingVendor.listen();
  stopSteps.push(() => vendor.close());
  await register(testbed, vendor.baseUrl);
  await testbed.startWorker();
  await waitFor(async () => (await count(database, `products WHERE vendor_id = '${VENDOR_ID}'`)) > 0, {
    withinMs: 60_000,
    what: 'the stock of the vendor',
  });
  const rates = { withoutList: [] as number[], withList: [] as number[] };
  for (let run = 0; run < runs; run++) {
    for (const which of ['withoutList', 'withList'] as const) {
      const perSecond = await measure(database, vendor, which);
      console.log(`${which}: ${figure(perSecond)} orders/s compared`);
      rates[which].push(perSecond);
    }
  }
  return { tables: [tableOf(rates, vendor.mostAtOnce)], data: rates };
}

async function register({ apis, adminApiKey }: Testbed, baseUrl: string): Promise<void> {
  const answer = await new ApiClient(apis[0].url, adminApiKey).put(`/v1/vendors/${VENDOR_ID}`, {
    name: VENDOR_ID,
    kind: 'rest',
    baseUrl,
    maxConcurrentOrders: SLOTS,
  });
  if (answer.status >= 300) throw new Error(`The vendor was not registered: ${JSON.stringify(answer.body)}`);
}

async function measure(database: Client, vendor: ListingVendor, which: keyof typeof ORDERS): Promise<number> {
  vendor.isListing = which === 'withList';
  await forget(database);
  vendor.orderIds = await fillOrders(database, ORDERS[which]);
  await database.query(`DELETE FROM leases WHERE name = 'reconcile'`);
  await waitFor(
    async () =>
      (await count(database, `reconciliation_parts WHERE vendor_id = '${VENDOR_ID}' AND finished_at IS NULL`)) === 0 &&
      (await count(database, `reconciliation_marks WHERE vendor_id = '${VENDOR_ID}'`)) > 0,
    {
      withinMs: RUN_MS_MAX,
      what: 'the run to end',
    },
  );
  const { rows } = await database.query<{ compared: number; found: number; seconds: number; note: string | null }>(
    `SELECT sum(compared)::integer AS compared, sum(found)::integer AS found, string_agg(note, ' ') AS note,
            sum(extract(epoch FROM finished_at - started_at))::float8 AS seconds
     FROM reconciliation_parts WHERE vendor_id = $1 AND compared > 0`,
    [VENDOR_ID],
  );
  const { compared, found, seconds, note } = rows[0]!;
  if (compared !== ORDERS[which] || found > 0 || note !== null) {
    throw new Error(`${compared} of ${ORDERS[which]} orders were compared, ${found} differ: ${note}`);
  }
  return compared / seconds;
}

/** Every measurement begins with the same. */
async function forget(database: Client): Promise<void> {
  await database.query('DELETE FROM reconciliation_runs');
  for (const table of ['listed', 'revisits', 'marks', 'progress']) {
    await database.query(`DELETE FROM reconciliation_${table} WHERE vendor_id = $1`, [VENDOR_ID]);
  }
  await database.query('DELETE FROM orders WHERE vendor_id = $1', [VENDOR_ID]);
}

/** Completed two hours ago, as the vendor has them. */
async function fillOrders(database: Client, orders: number): Promise<string[]> {
  const { rows } = await database.query<{ order_id: string }>(
    `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, status, hold_state,
                         available_quantity, vendor_order_id, accepted_at, acknowledged_at, client, created_at, updated_at)
     SELECT id, p.vendor_id, p.product_id, 1, p.price, p.price, 'USD', 'completed', 'settled', 1, 'V-' || id,
            now() - interval '2 hours', now() - interval '2 hours', 'past',
            now() - interval '2 hours' - n * interval '1 ms', now() - interval '2 hours'
     FROM (SELECT n, gen_random_uuid()::text AS id FROM generate_series(1, $2::integer) n) one,
          (SELECT * FROM products WHERE vendor_id = $1 LIMIT 1) p
     RETURNING order_id`,
    [VENDOR_ID, orders],
  );
  await database.query('VACUUM (ANALYZE) orders');
  return rows.map(({ order_id: orderId }) => orderId);
}

async function count(database: Client, what: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(`SELECT count(*)::integer AS count FROM ${what}`);
  return rows[0]!.count;
}

function tableOf(rates: Record<keyof typeof ORDERS, number[]>, mostAtOnce: number) {
  const without = spreadOf(rates.withoutList);
  return {
    title: `Orders compared a second at a vendor that answers in ${ANSWER_MS} ms and allows ${SLOTS} calls: median (min–max)`,
    columns: ['', 'orders/s', 'aim', ''],
    rows: [
      [
        `by look-up (${mostAtOnce} at once at most)`,
        spreadText(without),
        `≥ ${ORDERS_PER_SECOND_MIN}`,
        without.median >= ORDERS_PER_SECOND_MIN ? 'met' : 'missed',
      ],
      ['by its list of changed orders', spreadText(spreadOf(rates.withList)), '', ''],
    ],
  };
}
