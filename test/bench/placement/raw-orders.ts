import { Client } from 'pg';
import { uuidv7 } from 'uuidv7';
import { answerJobs } from '../helper';
import { type LoadOutcome, Tally } from '../load/outcome';

/**
 * What the database alone could do, placing each order in a transaction of its own: no HTTP, no framework, the same
 * writes as the app, four round trips, statements planned once. The app is compared with this.
 */
export interface RawOrders {
  databaseUrl: string;
  connections: number;
  seconds: number;
  /** In turn, over all connections. */
  products: { vendorId: string; productId: string }[];
  quantity: number;
  client: string;
}

const CREATED = 201;

const RESERVE = {
  name: 'reserve',
  text: `UPDATE products SET reserved_quantity = reserved_quantity + $3, updated_at = now()
         WHERE vendor_id = $1 AND product_id = $2 AND listed AND stock_quantity >= $3
         RETURNING price, stock_quantity + $3 AS available`,
};
const WRITE = {
  name: 'write',
  text: `WITH placed AS (
           INSERT INTO orders (order_id, vendor_id, product_id, quantity, unit_price, total_price, currency,
                               available_quantity, client)
           VALUES ($1, $2, $3, $4, $5::numeric, $5::numeric * $4::integer, 'USD', $6::integer, $7)),
         told AS (
           INSERT INTO order_events (order_id, type, detail)
           VALUES ($1, 'placed', format('%s reserved of %s that could be sold.', $4::integer, $6::integer)))
         INSERT INTO outbox (message_id, vendor_id, subject, type, payload)
         VALUES ($8, $2, $1, 'order.placed.v1', jsonb_build_object('orderId', $1::text))`,
};

let connected: Promise<Client[]> | undefined;

async function placeRawOrders(job: RawOrders): Promise<LoadOutcome> {
  const clients = await (connected ??= connect(job));
  const tally = new Tally();
  let turn = 0;
  const startedAt = performance.now();
  const endAt = startedAt + job.seconds * 1000;
  const placeUntilTheEnd = async (client: Client): Promise<void> => {
    for (let at = performance.now(); at < endAt; at = performance.now()) {
      await placeOne(client, job.products[turn++ % job.products.length]!, job);
      tally.answered(CREATED, performance.now() - at);
    }
  };
  await Promise.all(clients.map(placeUntilTheEnd));
  return tally.outcome((performance.now() - startedAt) / 1000);
}

/** Throws where there is no stock: the bench has provided for it. */
async function placeOne(
  client: Client,
  { vendorId, productId }: RawOrders['products'][number],
  { quantity, client: buyer }: RawOrders,
): Promise<void> {
  await client.query('BEGIN');
  const { rows } = await client.query<{ price: string; available: number }>({
    ...RESERVE,
    values: [vendorId, productId, quantity],
  });
  const { price, available } = rows[0]!;
  await client.query({
    ...WRITE,
    values: [uuidv7(), vendorId, productId, quantity, price, available, buyer, uuidv7()],
  });
  await client.query('COMMIT');
}

function connect({ databaseUrl, connections }: RawOrders): Promise<Client[]> {
  return Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new Client({ connectionString: databaseUrl });
      await client.connect();
      return client;
    }),
  );
}

if (process.send) answerJobs(placeRawOrders);
