import { type OrderFilter, OrderQueries } from '../../../src/orders/order-queries';
import { createApp, type TestApp } from '../../support/app';

const ORDERS = 1_000_000;
const PRODUCTS = 200;
/** Each vendor has a tenth of the orders of the one before it: the last has 1,000. */
const VENDORS = ['v0', 'v1', 'v2', 'v3'];
/** Of 8 KiB; a page of 51 orders that lie apart takes one for each, and some for the index. */
const BUFFERS_MAX = 400;

/** Many orders, a hundred of each instant, most of them completed long ago. */
describe('listing one of a million orders', () => {
  let app: TestApp;
  let queries: OrderQueries;

  beforeAll(async () => {
    app = await createApp();
    queries = app.context.get(OrderQueries);
    await app.dataSource.query(
      `INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms)
       SELECT v, 'V', 'rest', 'http://127.0.0.1:9', true, 4, 0, 0 FROM unnest($1::varchar[]) v`,
      [VENDORS],
    );
    await app.dataSource.query(
      `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
       SELECT v, v || ':S' || n, 'S' || n, 'S', 1, 10, now(), now()
       FROM unnest($1::varchar[]) v, generate_series(0, $2 - 1) n`,
      [VENDORS, PRODUCTS],
    );
    await withoutIndexes(() => insertOrders());
    await app.dataSource.query('ANALYZE orders');
  });

  afterAll(() => app.close());

  /** Rows are checked and indexed at once rather than one by one: a fifth of the time. */
  async function withoutIndexes(fill: () => Promise<void>): Promise<void> {
    const indexes = await app.dataSource.query<{ name: string; definition: string }[]>(
      `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = 'orders' AND indexname <> 'orders_pkey'`,
    );
    for (const { name } of indexes) await app.dataSource.query(`DROP INDEX ${name}`);
    await fill();
    await Promise.all(indexes.map(({ definition }) => app.dataSource.query(definition)));
  }

  async function insertOrders(): Promise<void> {
    await app.dataSource.transaction(async (tx) => {
      // Foreign keys are not what is tried here.
      await tx.query('SET LOCAL session_replication_role = replica');
      await tx.query(
        `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, status,
                             failure_reason, hold_state, available_quantity, client, needs_attention, attention_reason,
                             checkout_id, created_at)
         SELECT '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), vendor_id, vendor_id || ':S' || n / 10 % $2, 1, 1, 1,
                'USD', status::order_status, CASE status WHEN 'failed' THEN 'REFUSED' END,
                (CASE status WHEN 'pending' THEN 'held' WHEN 'failed' THEN 'released' ELSE 'settled' END)::hold_state,
                1, 'test', n % 5000 = 0, CASE WHEN n % 5000 = 0 THEN 'why' END,
                CASE WHEN n % 10 = 0 THEN '00000000-0000-7000-9000-' || lpad((n / 50)::text, 12, '0') END,
                timestamptz '2030-01-01' + (n / 100) * interval '1.000001 second'
         FROM (SELECT n, CASE WHEN n % 1000 = 7 THEN 'v3' WHEN n % 100 = 3 THEN 'v2' WHEN n % 10 = 1 THEN 'v1' ELSE 'v0' END AS vendor_id,
                      CASE WHEN n % 1000 = 0 THEN 'pending' WHEN n % 50 = 1 THEN 'failed' ELSE 'completed' END AS status
               FROM generate_series(0, $1 - 1) n) o`,
        [ORDERS, PRODUCTS],
      );
    });
  }

  /** What the statement that the query really runs does. */
  async function planOf(filter: Omit<OrderFilter, 'limit'>): Promise<Plan> {
    const query = jest.spyOn(app.context.get(OrderQueries)['lists'].manager, 'query');
    await queries.list({ ...filter, limit: 51 });
    const [statement, values] = query.mock.calls[0] as unknown as [string, unknown[]];
    query.mockRestore();
    const [explained] = await app.dataSource.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement}`, values);
    return explained['QUERY PLAN'][0].Plan;
  }

  const after = ['2030-01-01T02:10:00.007800Z', '00000000-0000-7000-8000-000000780050'] as const;
  const someMinutes = { createdAfter: '2030-01-01T01:00:00Z', createdBefore: '2030-01-01T01:03:00Z' };
  const filters: [string, Omit<OrderFilter, 'limit'>, string][] = [
    ['nothing', {}, 'orders_by_created'],
    ['a cursor', { after }, 'orders_by_created'],
    ['a time', someMinutes, 'orders_by_created'],
    ['a time, and a cursor', { createdAfter: '2030-01-01T00:05:00Z', after }, 'orders_by_created'],
    ['no attention', { needsAttention: false, after }, 'orders_by_created'],
    ['completed, and a cursor', { status: 'completed', after }, 'orders_by_created'],
    ['pending', { status: 'pending' }, 'orders_pending'],
    ['failed, and a cursor', { status: 'failed', after }, 'orders_failed'],
    ['attention', { needsAttention: true }, 'orders_needing_attention'],
    ['a big vendor', { vendorId: 'v0' }, 'orders_by_'],
    ['a small vendor, and a cursor', { vendorId: 'v3', after }, 'orders_by_vendor'],
    ['a small vendor and a time', { vendorId: 'v3', ...someMinutes }, 'orders_by_vendor'],
    ['a big vendor and a time', { vendorId: 'v0', ...someMinutes }, 'orders_by_'],
    ['completed at a small vendor', { status: 'completed', vendorId: 'v3' }, 'orders_by_vendor'],
    ['a product', { productId: 'v1:S1' }, 'orders_by_product'],
    ['a product, and a cursor', { productId: 'v1:S1', after }, 'orders_by_product'],
    ['a product and its vendor', { productId: 'v2:S7', vendorId: 'v2' }, 'orders_by_product'],
    ['failed at a vendor', { status: 'failed', vendorId: 'v1' }, 'orders_failed'],
    ['failed at a small vendor', { status: 'failed', vendorId: 'v3' }, 'orders_failed'],
    ['failed at a vendor and a time', { status: 'failed', vendorId: 'v0', ...someMinutes }, 'orders_failed'],
    ['failed of a product', { status: 'failed', productId: 'v1:S1' }, 'orders_failed'],
    ['failed of a product that has none', { status: 'failed', productId: 'v0:S1' }, 'orders_failed'],
    ['pending at a big vendor', { status: 'pending', vendorId: 'v0' }, 'orders_pending'],
    ['pending at a small vendor', { status: 'pending', vendorId: 'v3' }, 'orders_pending'],
    ['pending of a product', { status: 'pending', productId: 'v0:S1' }, 'orders_'],
    ['completed of a product', { status: 'completed', productId: 'v3:S0' }, 'orders_by_product'],
    ['attention at a small vendor', { needsAttention: true, vendorId: 'v3' }, 'orders_'],
    ['no attention at a small vendor', { needsAttention: false, vendorId: 'v3' }, 'orders_by_vendor'],
    [
      'a time long ago at a small vendor',
      { vendorId: 'v3', createdBefore: '2030-01-01T00:10:00Z' },
      'orders_by_vendor',
    ],
    ['a checkout', { checkoutId: '00000000-0000-7000-9000-000000000007' }, 'orders_by_checkout'],
  ];

  it.each(filters)('by %s reads an index and no more than a page of it', async (_, filter, index) => {
    const plan = await planOf(filter);
    expect([...nodesOf(plan)].map((node) => node['Index Name']).join()).toContain(index);
    expect([...nodesOf(plan)].map((node) => node['Node Type'])).not.toContain('Seq Scan');
    expect(buffersOf(plan)).toBeLessThan(BUFFERS_MAX);
  });

  it('reads nothing to find none of a vendor that a product does not belong to', async () => {
    const query = jest.spyOn(queries['lists'].manager, 'query');
    expect(await queries.list({ productId: 'v0:S1', vendorId: 'v1', limit: 51 })).toEqual([]);
    expect(query).not.toHaveBeenCalled();
    query.mockRestore();
  });

  it('shows every order exactly once, newest first, though a hundred share each instant', async () => {
    const seen: string[] = [];
    let cursor: readonly [string, string] | undefined;
    do {
      const page = await queries.list({ vendorId: 'v2', after: cursor, limit: 997 });
      seen.push(...page.map(({ order }) => order.orderId));
      cursor = page.at(-1)?.sortKey;
    } while (cursor !== undefined);
    expect(seen).toHaveLength(ORDERS / 100);
    expect(seen).toEqual([...new Set(seen)].toSorted().toReversed());
  });
});

interface Plan {
  'Node Type': string;
  'Index Name'?: string;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}

function* nodesOf(plan: Plan): Generator<Plan> {
  yield plan;
  for (const inner of plan.Plans ?? []) yield* nodesOf(inner);
}

/** Those of the inner nodes are in it. */
function buffersOf(plan: Plan): number {
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}
