import { createDatabase, type TestDatabase } from '../support/database';
import { check } from './checker/checker';
import { beginning, gather } from './checker/gathering';
import { Sightings } from './checker/sightings';
import type { Purchase } from './history';
import type { BookEntry } from './world/vendors';
import type { World } from './world/world';

const VENDOR = `
  INSERT INTO vendors (vendor_id, name, kind, base_url, enabled, max_concurrent_orders, clock_margin_ms, consistency_lag_ms)
  VALUES ('acme', 'Acme', 'rest', 'http://127.0.0.1:1', true, 4, 0, 0)`;
const PRODUCT = `
  INSERT INTO products (vendor_id, product_id, sku, name, price, vendor_quantity, as_of, observed_at)
  VALUES ('acme', 'acme:A-1', 'A-1', 'Article', 1.00, 10, now(), now())`;
const order = (orderId: string, status: string, hold: string): string => `
  INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency, client,
                      available_quantity, status, hold_state)
  VALUES ('${orderId}', 'acme', 'acme:A-1', 2, 1.00, 2.00, 'USD', 'test', 10, '${status}', '${hold}')`;
const event = (orderId: string, type: string): string =>
  `INSERT INTO order_events (order_id, type, detail) VALUES ('${orderId}', '${type}', '')`;
const BOUGHT: BookEntry = { vendorId: 'acme', reference: 'o1', sku: 'A-1', quantity: 2, status: 'accepted' };
const PURCHASE: Purchase = {
  key: 'k1',
  lines: [{ productId: 'acme:A-1', quantity: 2 }],
  results: [{ kind: 'created', orderIds: ['o1'], replayed: false }],
  cancelled: false,
};

/** What the checker is given, out of a real database. */
describe('the evidence of the fault suite', () => {
  let database: TestDatabase;
  let world: World;
  let books: BookEntry[];

  beforeEach(async () => {
    database = await createDatabase();
    books = [BOUGHT];
    world = {
      database: {
        rows: (statement: string, values?: unknown[]) => database.dataSource.query(statement, values),
        log: () => '',
        running: true,
      },
      vendors: { books: () => Promise.resolve(books) },
      counter: { calls: [] },
      processes: [],
      poisoned: [],
    } as unknown as World;
    await run(VENDOR, PRODUCT);
  });

  afterEach(() => database.drop());

  async function run(...statements: string[]): Promise<void> {
    for (const statement of statements) await database.dataSource.query(statement);
  }

  /** What is found after the statements, in a round that began before them. */
  async function foundAfter(...statements: string[]): Promise<string[]> {
    const began = await beginning(world);
    const sightings = new Sightings(world);
    for (const statement of statements) {
      await run(statement);
      await sightings.look();
    }
    await sightings.stop();
    return check(
      await gather(world, began, [PURCHASE], sightings, { vendorsRefuseAnyway: false, queuesDeleted: false }),
    ).map((violation) => violation.check);
  }

  /** One order that was answered 201, bought and completed. */
  const bought = [
    order('o1', 'completed', 'acknowledged'),
    event('o1', 'placed'),
    event('o1', 'completed'),
    `INSERT INTO idempotency_keys (client, route, key, fingerprint, status, answer, expires_at)
     VALUES ('test', 'r', 'k1', '', 201, '{"orderIds": ["o1"]}', now())`,
  ];
  const reserves = (quantity: number): string => `UPDATE products SET reserved_quantity = ${quantity}`;

  it('shows nothing where nothing is wrong', async () => {
    expect(await foundAfter(`${reserves(2)}; ${bought.join(';')}`)).toEqual([]);
  });

  it('knows nothing of what was there before', async () => {
    await run(order('o0', 'pending', 'held'), reserves(2));
    books.push({ ...BOUGHT, reference: 'o0', quantity: 1 });
    expect(await foundAfter(`${reserves(4)}; ${bought.join(';')}`)).toEqual([]);
  });

  it.each([
    ['a counter that is wrong for a moment', [bought.join(';'), reserves(2)], 'reserved is the sum of open holds'],
    [
      'a state that goes back and comes again',
      [
        `${reserves(2)}; ${bought.join(';')}`,
        "UPDATE orders SET status = 'pending'",
        "UPDATE orders SET status = 'completed'",
      ],
      'states never go back',
    ],
    ['an order that is gone', [`${reserves(0)}; ${bought[3]}`], 'an order that was answered 201 exists'],
    [
      'a key that remembers another order',
      [`${reserves(2)}; ${bought.join(';')}`, `UPDATE idempotency_keys SET answer = '{"orderIds": ["o2"]}'`],
      'a key gives one order',
    ],
    [
      'an order that is pending and has no message',
      [`${reserves(2)}; ${bought.join(';')}`, "UPDATE orders SET status = 'pending'"],
      'every order is decided once it is calm',
    ],
    ['an event too many', [`${reserves(2)}; ${bought.join(';')}; ${event('o1', 'failed')}`], 'an order ends once'],
  ])('shows %s', async (_, statements, found) => {
    expect(await foundAfter(...statements)).toContain(found);
  });

  it('knows which of the messages that nobody can read were kept', async () => {
    world.poisoned.push('before');
    const began = await beginning(world);
    world.poisoned.push('p1');
    await run(
      `INSERT INTO dead_letters (dead_letter_id, cause, payload) VALUES ('d1', 'unreadable', '{"poison": "p1"}')`,
    );
    const sightings = new Sightings(world);
    await sightings.stop();
    const evidence = await gather(world, began, [], sightings, { vendorsRefuseAnyway: false, queuesDeleted: false });
    expect([evidence.poisoned, evidence.poisonKept]).toEqual([['p1'], ['p1']]);
  });

  it('shows what only the vendor knows', async () => {
    books.push(BOUGHT);
    expect(await foundAfter(`${reserves(2)}; ${bought.join(';')}`)).toEqual(['an order is bought once']);
  });
});
