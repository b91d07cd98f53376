import { type ProductFilter, ProductQueries } from '../../../src/stock/product-queries';
import { SEARCHABLE } from '../../../src/stock/name-search';
import { createApp, type TestApp } from '../../support/app';

const PRODUCTS = 300_000;
const BATCH = 30_000;
/** Of v0; the others have a tenth of that each. */
const VENDORS = ['v0', 'v1', 'v2', 'v3'];
/** Of 8 KiB; a page of 51 products that lie apart takes some for each. */
const BUFFERS_MAX = 600;

/** Partitions name their part of an index by themselves. */
describe('listing one of 390,000 products', () => {
  let app: TestApp;
  let queries: ProductQueries;

  beforeAll(async () => {
    app = await createApp();
    queries = app.context.get(ProductQueries);
    await app.dataSource.query(
      `INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms,
                            synced_at)
       SELECT v, 'V', 'rest', 'http://127.0.0.1:9', v <> 'v1', 4, 0, 0, now() FROM unnest($1::varchar[]) v`,
      [VENDORS],
    );
    for (const vendorId of VENDORS) await fill(vendorId, vendorId === 'v0' ? PRODUCTS : PRODUCTS / 10);
    await app.dataSource.query('VACUUM ANALYZE products');
  });

  afterAll(() => app.close());

  async function fill(vendorId: string, count: number): Promise<void> {
    for (let first = 1; first <= count; first += BATCH)
      await app.dataSource.query(
        `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, listed, as_of, observed_at)
       SELECT v, v || ':S' || n, 'S' || n,
              (ARRAY['Tent', 'Stove', 'Sleeping bag', 'Lantern', 'Rope', 'Axe', 'Boots'])[n % 7 + 1] || ' ' ||
              (ARRAY['green', 'red', 'blue', 'grey', 'black'])[n % 5 + 1] || ' model ' || md5(v || n) ||
              CASE WHEN n % 9999 = 17 THEN ' für ÄRZTE 100%_\\' WHEN n % 9999 = 18 THEN ' 二人用テント' ELSE '' END,
              1, CASE WHEN n % 3 = 0 THEN 0 ELSE 10 END, n % 5000 <> 0, now(), now()
       FROM (SELECT $1::varchar AS v) vendor, generate_series($2::integer, $3::integer) n`,
        [vendorId, first, first + BATCH - 1],
      );
  }

  /** What the statement that the query really runs does. */
  async function planOf(filter: Partial<ProductFilter>): Promise<Plan> {
    const query = jest.spyOn(queries['lists'].manager, 'query');
    await queries.list({ listed: true, ...filter, limit: 51 });
    const [statement, values] = query.mock.calls[0] as unknown as [string, unknown[]];
    query.mockRestore();
    const [explained] = await app.dataSource.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement}`, values);
    return explained['QUERY PLAN'][0].Plan;
  }

  const after = ['v0', 'v0:S250000'] as const;
  const filters: [string, Partial<ProductFilter>, string][] = [
    ['nothing', {}, 'pkey'],
    ['a cursor', { after }, 'pkey'],
    ['a vendor', { vendorId: 'v0' }, 'pkey'],
    ['a small vendor, and a cursor', { vendorId: 'v3', after: ['v3', 'v3:S2'] }, 'pkey'],
    ['what is in stock', { inStock: true, after }, 'pkey'],
    ['what is in stock at a vendor', { vendorId: 'v2', inStock: true }, 'pkey'],
    ['what is in stock at a disabled vendor', { vendorId: 'v1', inStock: true }, 'vendors_pkey'],
    ['what is not in stock', { inStock: false }, 'pkey'],
    ['a frequent word', { q: 'tent' }, 'pkey'],
    ['a rare word', { q: 'für ärzte' }, 'replace_idx'],
    ['a rare word at a vendor', { vendorId: 'v2', q: 'FÜR ÄRZTE' }, 'replace_idx'],
    ['a rare word in stock, and a cursor', { q: 'ärzte', inStock: true, after }, 'replace_idx'],
    ['a word outside ASCII', { q: '二人用テント' }, 'replace_idx'],
    ['a word that there is not', { q: 'xylophone' }, 'replace_idx'],
    ['what left the listing', { listed: false }, 'vendor_id_product_id_idx'],
    ['what left the listing of a small vendor', { vendorId: 'v3', listed: false }, 'vendor_id_product_id_idx'],
  ];

  it.each(filters)('by %s reads an index and no more than a page of it', async (_, filter, index) => {
    const plan = await planOf(filter);
    const nodes = [...nodesOf(plan)].filter((node) => node['Actual Loops'] > 0);
    expect(nodes.map((node) => node['Index Name']).join()).toContain(index);
    expect(nodes.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== 'vendors')).toEqual([]);
    expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(BUFFERS_MAX);
  });

  it.each(['zqx', 'z qx', ' zq', 'zq!', '漢字'])('searches by %p with the index of names', async (q) => {
    expect(q).toMatch(SEARCHABLE);
    const plan = await planOf({ q });
    const nodes = [...nodesOf(plan)].filter((node) => node['Actual Loops'] > 0);
    expect(nodes.map((node) => node['Index Name']).join()).toContain('replace_idx');
    expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(BUFFERS_MAX);
  });

  it.each(['z', 'zq', '%', '___', "'", '\\', '%%%', '4'])('has no index to search by %p', (q) => {
    expect(q).not.toMatch(SEARCHABLE);
  });

  it.each([
    ['für ÄRZTE', 30],
    ['FÜR ärzte', 30],
    ['ärzte 100%_\\', 30],
    ['%', 30],
    ['100__', 0],
    ['\\', 30],
    ['二人用テント', 30],
    ['人用テ', 30],
    ['用', 30],
    ['\\303', 0],
    ['303', undefined],
  ])('finds %s wherever it stands in a name, and nothing else', async (q, count) => {
    const found = await queries.list({ vendorId: 'v0', q, listed: true, limit: 200 });
    for (const { name } of found) expect(name.toLowerCase()).toContain(q.toLowerCase());
    if (count !== undefined) expect(found).toHaveLength(count);
  });

  it('shows every product exactly once, vendor by vendor', async () => {
    const seen: string[] = [];
    let cursor: ProductFilter['after'];
    do {
      const page = await queries.list({ q: 'grey', listed: true, after: cursor, limit: 4999 });
      seen.push(...page.map(({ productId }) => productId));
      const last = page.at(-1);
      cursor = last && [last.vendorId, last.productId];
    } while (cursor !== undefined);
    const [{ count }] = await app.dataSource.query(
      `SELECT count(*)::integer AS count FROM products WHERE listed AND name LIKE '%grey%'`,
    );
    expect(seen).toHaveLength(count);
    expect(seen).toEqual([...new Set(seen)].toSorted());
  });

  it('indexes no column that a reservation changes, so that it stays on its page', async () => {
    expect(await reserve('v3')).toEqual({ updates: 20, hot: 20 });
    // What would happen otherwise.
    await app.dataSource.query('CREATE INDEX forbidden ON products (vendor_id) WHERE stock_quantity > 0');
    expect((await reserve('v2')).hot).toBeLessThan(20);
    await app.dataSource.query('DROP INDEX forbidden');
  });

  async function reserve(vendorId: string): Promise<{ updates: number; hot: number }> {
    const before = await hotUpdates();
    for (let n = 1; n <= 20; n++) {
      await app.dataSource.query(
        `UPDATE products SET reserved_quantity = reserved_quantity + 1, updated_at = now()
         WHERE vendor_id = $1 AND product_id = $2`,
        [vendorId, `${vendorId}:S${n * 1000}`],
      );
    }
    const after = await hotUpdates();
    return { updates: after.updates - before.updates, hot: after.hot - before.hot };
  }

  async function hotUpdates(): Promise<{ updates: number; hot: number }> {
    const runner = app.dataSource.createQueryRunner();
    try {
      await runner.query('SELECT pg_stat_force_next_flush()');
      const [counts] = await runner.query(
        `SELECT sum(pg_stat_get_tuples_updated(inhrelid) + pg_stat_get_xact_tuples_updated(inhrelid))::integer AS updates,
                sum(pg_stat_get_tuples_hot_updated(inhrelid) + pg_stat_get_xact_tuples_hot_updated(inhrelid))::integer AS hot
         FROM pg_inherits WHERE inhparent = 'products'::regclass`,
      );
      return counts;
    } finally {
      await runner.release();
    }
  }
});

interface Plan {
  'Node Type': string;
  'Index Name'?: string;
  'Relation Name'?: string;
  'Actual Loops': number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}

function* nodesOf(plan: Plan): Generator<Plan> {
  yield plan;
  for (const inner of plan.Plans ?? []) yield* nodesOf(inner);
}
