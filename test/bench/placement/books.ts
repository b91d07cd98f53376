import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { PRODUCTS } from '../catalogue';
import { CLIENT } from '../testbed';
import { type Case, linesOf, QUANTITY } from './cases';

/** What the database says of a run. A run whose books do not add up is no measurement. */
interface Books {
  orders: number;
  checkouts: number;
  products: number;
  quantity: number;
  reserved: number;
  events: number;
  messages: number;
  keys: number;
  /** Connections of the API with a statement or a transaction under way. */
  writers: number;
}

const SETTLE_POLL_MS = 100;

/** Throws what does not add up. `unanswered`: requests that may have been cut off at the end of their load. */
export async function checkBooks(database: Client, of: Case, answered: number, unanswered: number): Promise<void> {
  const books = await settledBooks(database);
  const lines = linesOf(of.shape);
  const placed = books.orders / lines;
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string): unknown => holds || faults.push(fault);

  expect(placed >= answered && placed <= answered + unanswered, `${placed} placed, ${answered} answered 201`);
  expect(books.quantity === books.orders * QUANTITY, `${books.quantity} units in ${books.orders} orders`);
  expect(books.reserved === books.quantity, `${books.reserved} units reserved, ${books.quantity} ordered`);
  expect(books.events === books.orders, `${books.events} events of ${books.orders} orders`);
  expect(books.messages === books.orders, `${books.messages} messages for ${books.orders} orders`);
  expect(books.keys === (of.keyed ? placed : 0), `${books.keys} keys remembered of ${placed} requests`);
  if (of.shape === 'hot') expect(books.products === 1, `${books.products} hot products`);
  if (of.shape === 'checkout') expect(books.checkouts === placed, `${books.checkouts} checkouts of ${placed}`);
  if (of.shape === 'spread') {
    expect(books.products > 0.9 * productsHitAtRandom(placed), `only ${books.products} products in ${placed} orders`);
  }
  if (faults.length > 0) throw new Error(`${of.name}: the books do not add up: ${faults.join('; ')}`);
}

/** Expected number of different products among so many orders of random ones. */
function productsHitAtRandom(orders: number): number {
  return PRODUCTS * (1 - Math.exp(-orders / PRODUCTS));
}

/** What was cut off may be committed a moment later: looks until nobody writes and nothing changes any more. */
async function settledBooks(database: Client): Promise<Books> {
  for (let earlier = await readBooks(database); ;) {
    await pause(SETTLE_POLL_MS);
    const books = await readBooks(database);
    if (books.writers === 0 && books.orders === earlier.orders) return books;
    earlier = books;
  }
}

async function readBooks(database: Client): Promise<Books> {
  const { rows } = await database.query<Record<keyof Books, string>>(
    `SELECT count(*) AS orders, count(DISTINCT checkout_id) AS checkouts, count(DISTINCT product_id) AS products,
            coalesce(sum(quantity), 0) AS quantity,
            (SELECT sum(reserved_quantity) FROM products) AS reserved,
            (SELECT count(*) FROM order_events JOIN orders o USING (order_id) WHERE o.client = $1) AS events,
            (SELECT count(*) FROM outbox) AS messages,
            (SELECT count(*) FROM idempotency_keys WHERE client = $1) AS keys,
            (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast' AND state <> 'idle') AS writers
     FROM orders WHERE client = $1`,
    [CLIENT],
  );
  return Object.fromEntries(Object.entries(rows[0]!).map(([name, count]) => [name, Number(count)])) as unknown as Books;
}
