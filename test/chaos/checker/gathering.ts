import { waitFor } from '../../support/wait';
import type { Purchase } from '../history';
import { SETTINGS, VENDOR } from '../settings';
import type { World } from '../world/world';
import type { Evidence, HoldState, OrderStatus, StoredKey, StoredOrder, StoredProduct } from './evidence';
import type { Sightings } from './sightings';

/** What a round began with, so that its evidence is its own. */
export interface Beginning {
  ordersBefore: Set<string>;
  outputLengths: Map<string, number>;
  logLength: number;
  poisonedBefore: number;
}

/** What the faults of a round make of its evidence. */
export interface Reservations {
  vendorsRefuseAnyway: boolean;
  queuesDeleted: boolean;
}

/** A message that nobody can read holds up no order, so a round may be calm before the last is buried. */
const BURIAL_MS_MAX = 10_000;

export async function beginning({ database, processes, poisoned }: World): Promise<Beginning> {
  const orders = await database.rows<{ order_id: string }>('SELECT order_id FROM orders');
  return {
    ordersBefore: new Set(orders.map(({ order_id }) => order_id)),
    outputLengths: new Map(processes.map((each) => [each.name, each.output().length])),
    logLength: database.log().length,
    poisonedBefore: poisoned.length,
  };
}

/** Asks the database and the vendors, past all wires. */
export async function gather(
  world: World,
  { ordersBefore, outputLengths, logLength, poisonedBefore }: Beginning,
  history: Purchase[],
  { seen, miscounted }: Pick<Sightings, 'seen' | 'miscounted'>,
  reservations: Reservations,
): Promise<Evidence> {
  const { database, vendors, counter, processes } = world;
  const isOfThisRound = (orderId: string): boolean => !ordersBefore.has(orderId);
  const poisoned = world.poisoned.slice(poisonedBefore);
  const orders = (await storedOrders(world)).filter(({ orderId }) => isOfThisRound(orderId));
  return {
    history,
    orders,
    keys: await storedKeys(world, history),
    products: await storedProducts(world),
    miscountedMeanwhile: miscounted,
    sightings: seen.filter(({ orderId }) => isOfThisRound(orderId)),
    books: (await vendors.books()).filter(({ reference }) => isOfThisRound(reference)),
    calls: counter.calls.filter(({ reference }) => isOfThisRound(reference)),
    provableMs: Number(SETTINGS.VENDOR_TIMEOUT_MS) + VENDOR.consistencyLagMs,
    poisoned,
    poisonKept: await buried(world, poisoned),
    ...reservations,
    outputs: processes.map((each) => ({
      process: each.name,
      text: each.output().slice(outputLengths.get(each.name)),
    })),
    databaseLog: database.log().slice(logLength),
  };
}

/** Marks of those that are dead letters, once all are or the time is up. */
async function buried({ database }: World, poisoned: string[]): Promise<string[]> {
  let kept: string[] = [];
  const look = async (): Promise<boolean> => {
    const found = await database.rows<{ mark: string }>(
      `SELECT payload->>'poison' AS mark FROM dead_letters WHERE payload->>'poison' = ANY ($1::text[])`,
      [poisoned],
    );
    kept = found.map(({ mark }) => mark);
    return new Set(kept).size === poisoned.length;
  };
  await waitFor(look, { withinMs: BURIAL_MS_MAX, what: 'dead letters' }).catch(() => undefined);
  return kept;
}

/** In one statement, so that nothing happens between an order and its story. */
async function storedOrders({ database }: World): Promise<StoredOrder[]> {
  const rows = await database.rows<{
    order_id: string;
    product_id: string;
    quantity: number;
    status: OrderStatus;
    hold_state: HoldState;
    available_quantity: number;
    attention_reason: string | null;
    has_message: boolean;
    story: string[];
  }>(
    `SELECT order_id, product_id, quantity, status, hold_state, available_quantity, attention_reason,
            EXISTS (SELECT FROM outbox WHERE subject = order_id) AS has_message,
            ARRAY(SELECT type::text FROM order_events e WHERE e.order_id = o.order_id ORDER BY event_id) AS story
     FROM orders o ORDER BY created_at, order_id`,
  );
  return rows.map((row) => ({
    orderId: row.order_id,
    productId: row.product_id,
    quantity: row.quantity,
    status: row.status,
    hold: row.hold_state,
    available: row.available_quantity,
    attentionReason: row.attention_reason,
    hasMessage: row.has_message,
    story: row.story,
  }));
}

async function storedKeys({ database }: World, history: Purchase[]): Promise<StoredKey[]> {
  const rows = await database.rows<{ key: string; status: number; answer: { orderIds?: string[] } }>(
    'SELECT key, status, answer FROM idempotency_keys WHERE key = ANY ($1::text[])',
    [history.flatMap(({ key }) => key ?? [])],
  );
  return rows.map(({ key, status, answer }) => ({ key, status, orderIds: answer.orderIds ?? [] }));
}

const ADDED_UP = `
  SELECT p.product_id, p.vendor_quantity, p.reserved_quantity, p.stock_quantity,
         COALESCE(sum(o.quantity), 0)::integer AS open_holds
  FROM products p LEFT JOIN orders o
    ON o.vendor_id = p.vendor_id AND o.product_id = p.product_id AND o.hold_state IN ('held', 'acknowledged')
  GROUP BY p.vendor_id, p.product_id`;

export async function storedProducts({ database }: World, { onlyWrong = false } = {}): Promise<StoredProduct[]> {
  const wrong = ` HAVING p.reserved_quantity <> COALESCE(sum(o.quantity), 0)
    OR p.stock_quantity <> GREATEST(p.vendor_quantity - p.reserved_quantity, 0)`;
  const rows = await database.rows<{
    product_id: string;
    vendor_quantity: number;
    reserved_quantity: number;
    stock_quantity: number;
    open_holds: number;
  }>(onlyWrong ? ADDED_UP + wrong : ADDED_UP);
  return rows.map((row) => ({
    productId: row.product_id,
    vendorQuantity: row.vendor_quantity,
    reserved: row.reserved_quantity,
    stock: row.stock_quantity,
    openHolds: row.open_holds,
  }));
}
