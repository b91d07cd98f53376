import { type OrderFilter, OrderQueries } from '../../../src/orders/order-queries';
import { createApp, type TestApp } from '../../support/app';

const ORDERS = 100_000;
const VENDORS = 4;
const PRODUCTS = 200;

/** Many orders, a hundred of each instant, most of them completed long ago. */
describe('listing orders', () => {
  let app: TestApp;
  let queries: OrderQueries;

  beforeAll(async () => {
    app = await createApp();
    queries = app.context.get(OrderQueries);
    await app.dataSource.query(
      `INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms)
       SELECT 'v' || n, 'V', 'rest', 'http://127.0.0.1:9', true, 4, 0, 0 FROM generate_series(0, $1 - 1) n`,
      [VENDORS],
    );
    await app.dataSource.query(
      `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
       SELECT 'v' || n % $1, 'v' || n % $1 || ':S' || n, 'S' || n, 'S', 1, 10, now(), now() FROM generate_series(0, $2 - 1) n`,
      [VENDORS, PRODUCTS],
    );
    await app.dataSource.query(
      `INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, status,
                           failure_reason, hold_state, available_quantity, client, needs_attention, attention_reason,
                           checkout_id, created_at)
       SELECT '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), 'v' || n % $2, 'v' || n % $2 || ':S' || n % $3, 1, 1, 1, 'USD',
              (CASE WHEN n % 1000 = 0 THEN 'pending' WHEN n % 500 = 1 THEN 'failed' ELSE 'completed' END)::order_status,
              CASE WHEN n % 500 = 1 THEN 'REFUSED' END,
              (CASE WHEN n % 1000 = 0 THEN 'held' WHEN n % 500 = 1 THEN 'released' ELSE 'settled' END)::hold_state,
              1, 'test', n % 5000 = 0, CASE WHEN n % 5000 = 0 THEN 'why' END,
              CASE WHEN n % 10 = 0 THEN '00000000-0000-7000-9000-' || lpad((n / 50)::text, 12, '0') END,
              timestamptz '2030-01-01' + (n / 100) * interval '1.000001 second'
       FROM generate_series(0, $1 - 1) n`,
      [ORDERS, VENDORS, PRODUCTS],
    );
    await app.dataSource.query('ANALYZE orders');
  });

  afterAll(() => app.close());

  /** The plan of the statement that the query really runs. */
  async function planOf(filter: Omit<OrderFilter, 'limit'>): Promise<string> {
    const query = jest.spyOn(app.context.get(OrderQueries)['dataSource'].manager, 'query');
    await queries.list({ ...filter, limit: 51 });
    const [statement, values] = query.mock.calls[0] as unknown as [string, unknown[]];
    query.mockRestore();
    const lines = await app.dataSource.query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${statement}`, values);
    return lines.map((line) => line['QUERY PLAN']).join('\n');
  }

  const after = ['2030-01-01T00:10:00.000600Z', '00000000-0000-7000-8000-000000060050'] as const;
  const filters: [string, Omit<OrderFilter, 'limit'>, string][] = [
    ['nothing', {}, 'orders_by_created'],
    ['a cursor', { after }, 'orders_by_created'],
    ['a time', { createdAfter: '2030-01-01T00:05:00Z', createdBefore: '2030-01-01T00:06:00Z' }, 'orders_by_created'],
    ['pending', { status: 'pending' }, 'orders_pending'],
    ['failed, and a cursor', { status: 'failed', after }, 'orders_failed'],
    ['a vendor', { vendorId: 'v1' }, 'orders_by_'],
    ['a product', { productId: 'v1:S1' }, 'orders_by_product'],
    ['a product, and a cursor', { productId: 'v1:S1', after }, 'orders_by_product'],
    ['a checkout', { checkoutId: '00000000-0000-7000-9000-000000000007' }, 'orders_by_checkout'],
    ['attention', { needsAttention: true }, 'orders_needing_attention'],
  ];

  it.each(filters)('by %s reads an index and no more than a page of it', async (_, filter, index) => {
    const plan = await planOf(filter);
    expect(plan).toContain(index);
    expect(plan).not.toContain('Seq Scan');
  });

  it('shows every order exactly once, newest first, though a hundred share each instant', async () => {
    const seen: string[] = [];
    let cursor: readonly [string, string] | undefined;
    do {
      const page = await queries.list({ vendorId: 'v2', after: cursor, limit: 997 });
      seen.push(...page.map(({ order }) => order.orderId));
      cursor = page.at(-1)?.sortKey;
    } while (cursor !== undefined);
    expect(seen).toHaveLength(ORDERS / VENDORS);
    expect(seen).toEqual([...new Set(seen)].toSorted().toReversed());
  });
});
