import { Client, type QueryConfig } from 'pg';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';

describe('the statement that places a batch', () => {
  let app: TestApp;

  beforeEach(async () => {
    app = await createApp();
    await app.register({ vendorId: 'acme', baseUrl: 'http://127.0.0.1:1' });
    await app.dataSource.query(
      `INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
       SELECT 'acme', 'acme:S' || n, 'S' || n, 'Article', 1, 1000, now(), now() FROM generate_series(1, 20000) n`,
    );
    await app.dataSource.query('ANALYZE products');
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await app.close();
  });

  const place = (productId: string) => app.context.get(Placement).place({ productId, quantity: 1 }, { client: 'test' });

  /** What each connection was asked under the statement's name. */
  const asked = (query: jest.SpyInstance) =>
    (query.mock.calls as [QueryConfig][])
      .map(([config], index) => ({ config, connection: query.mock.contexts[index] as Client }))
      .filter(({ config }) => config.name === 'place-if-all-fit');

  it('is planned for any arrays, and then reads products and keys by their indexes', async () => {
    const query = jest.spyOn(Client.prototype, 'query');
    await place('acme:S1');
    const { text, values } = asked(query)[0]!.config;
    const plan = await app.dataSource.transaction(async (tx) => {
      await tx.query('SET LOCAL plan_cache_mode = force_generic_plan');
      return JSON.stringify(await tx.query(`EXPLAIN ${text}`, values));
    });
    expect(plan).toMatch(/Index (Only )?Scan using idempotency_keys_pkey/);
    expect(plan).not.toMatch(/Seq Scan on idempotency_keys/);
    const [{ name: partition }] = await app.dataSource.query(
      'SELECT tableoid::regclass::text AS name FROM products LIMIT 1',
    );
    expect(plan).not.toContain(`Seq Scan on ${partition} `);
  });

  it('is planned a few times a connection, and then no more', async () => {
    const query = jest.spyOn(Client.prototype, 'query');
    for (let orders = 0; orders < 30; orders++) await place('acme:S1');
    const { connection } = asked(query).at(-1)!;
    const { rows } = await connection.query<{ generic: number }>(
      `SELECT generic_plans::integer AS generic FROM pg_prepared_statements WHERE name = 'place-if-all-fit'`,
    );
    expect(rows[0]!.generic).toBeGreaterThan(0);
  });
});
