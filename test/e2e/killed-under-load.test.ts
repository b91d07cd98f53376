import { setTimeout as pause } from 'node:timers/promises';
import { deadlocks } from '../support/deadlocks';
import { type Fleet, miscounted, startFleet } from '../support/fleet';
import { oneOf, type Random, seeded } from '../support/random';
import { Shopper, type Silence, type Told } from '../support/shopper';
import { catalogueOf } from '../support/vendor';

const KILLS = Number(process.env['KILLS'] ?? 50);
const BUYERS = 12;
const PRODUCTS = 20;
/** Some products sell out under way, so that refusals are to be remembered too. */
const STOCK = 12 * KILLS;
/** Of buyers after silence: a process that is down refuses at once. */
const REPEAT_AFTER_MS = 20;
/** Of buyers between two purchases while one of the processes starts again: they leave it the processors. */
const THINKING_MS = 200;

/** The test server does not wait for its disk; a real one does, and then is when a process that dies leaves it open. */
const SLOW_COMMIT = `
  CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.002); RETURN NULL; END';
  CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON idempotency_keys DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION take_time()`;

interface Purchase {
  key: string;
  path: string;
  body: object;
  /** Orders it becomes, all or none. */
  lines: number;
  /** Every result, in order: answers, and silence, of which nothing is known. */
  results: (Told | Silence)[];
}

describe('API processes that are killed under load', () => {
  let fleet: Fleet;
  let shoppers: Shopper[];
  /** Buyers buy one after the other as long as both processes are up, so that each kill meets all of them. */
  let bothUp = true;

  beforeAll(async () => {
    const catalogues = { acme: catalogueOf(PRODUCTS, STOCK) };
    fleet = await startFleet({ apis: 2, catalogues, syncIntervalMs: 60_000 });
    // Stock changes by orders only, and messages stay where they were written.
    await fleet.worker.stop();
    await fleet.database.dataSource.query(SLOW_COMMIT);
    shoppers = fleet.apis.map(({ url }) => new Shopper(url, fleet.apiKey, BUYERS));
  });

  afterAll(async () => {
    await Promise.all(shoppers?.map((shopper) => shopper.close()) ?? []);
    await fleet?.stop();
  });

  it(`lose no answered order and double none in ${KILLS} kills, whose clients repeat with their keys`, async () => {
    await seeded(async (random) => {
      const purchases = await buyWhile(killInTurn(random), random);
      const bought = purchases.filter((purchase) => answerOf(purchase).status === 201);
      expect(
        purchases.map(answerOf).filter(({ status, code }) => status !== 201 && code !== 'INSUFFICIENT_STOCK'),
      ).toEqual([]);
      expect(bought.filter((purchase) => answerOf(purchase).orderIds.length !== purchase.lines)).toEqual([]);

      const answered = bought.flatMap((purchase) => answerOf(purchase).orderIds).toSorted();
      expect(await idsInDatabase('SELECT order_id AS id FROM orders')).toEqual(answered);
      expect(await idsInDatabase('SELECT subject AS id FROM outbox')).toEqual(answered);
      expect(await idsInDatabase('SELECT order_id AS id FROM order_events')).toEqual(answered);
      expect(await idsInDatabase('SELECT key AS id FROM idempotency_keys')).toEqual(
        purchases.map(({ key }) => key).toSorted(),
      );
      expect(await miscounted(fleet.database)).toEqual([]);
      expect(await oversold()).toEqual([]);

      expect(await repeatedOtherwise(purchases)).toEqual([]);
      expect(await idsInDatabase('SELECT order_id AS id FROM orders')).toEqual(answered);
      expect(await deadlocks(fleet.database.dataSource)).toBe(0);
      expect(fleet.errorsLogged()).toEqual([]);

      // The load met the kills, and some of them came between a commit and its answer.
      const silent = purchases.filter(({ results }) => results.some((result) => 'silence' in result));
      expect(silent.length).toBeGreaterThan(KILLS);
      expect(silent.filter((purchase) => answerOf(purchase).replayed)).not.toEqual([]);
    });
  }, 600_000);

  /** The two die in turn, each at a random moment after the other came back, which carries the load meanwhile. */
  async function killInTurn(random: Random): Promise<void> {
    for (let kill = 0; kill < KILLS; kill++) {
      // By then nobody thinks any more.
      await pause(THINKING_MS + random() * 550);
      await fleet.apis[kill % 2]!.kill();
      bothUp = false;
      await fleet.restart(kill % 2);
      bothUp = true;
    }
  }

  /** Buyers buy, one purchase after the other, until it is over; each stays with its purchase until that is answered. */
  async function buyWhile(killing: Promise<void>, random: Random): Promise<Purchase[]> {
    let over = false;
    const purchases: Purchase[] = [];
    const buying = Array.from({ length: BUYERS }, async () => {
      while (!over) {
        const purchase = choose(purchases.length, random);
        purchases.push(purchase);
        await buy(purchase, random);
        if (!bothUp) await pause(THINKING_MS);
      }
    });
    await killing.finally(() => (over = true));
    await Promise.all(buying);
    return purchases;
  }

  function choose(number: number, random: Random): Purchase {
    const products = Array.from({ length: PRODUCTS }, (_, index) => `acme:A-${index + 1}`);
    const line = (productId: string) => ({ productId, quantity: 1 + Math.floor(random() * 2) });
    const [key, results] = [`purchase-${number}`, []];
    if (random() < 0.8) return { key, results, path: '/v1/orders', body: line(oneOf(products, random)), lines: 1 };
    const first = Math.floor(random() * PRODUCTS);
    const lines = [products[first]!, products[(first + 7) % PRODUCTS]!].map(line);
    return { key, results, path: '/v1/checkouts', body: { lines }, lines: lines.length };
  }

  async function buy({ key, path, body, results }: Purchase, random: Random): Promise<void> {
    for (let api = random() < 0.5 ? 0 : 1; ; api = 1 - api) {
      const result = await shoppers[api]!.ask(path, body, key);
      results.push(result);
      if (isAnswer(result)) return;
      if (!('silence' in result)) await pause(REPEAT_AFTER_MS);
    }
  }

  /** A key under way, or a database out of reach, is to be asked again like silence. */
  function isAnswer(result: Told | Silence): result is Told {
    return 'status' in result && result.code !== 'IDEMPOTENCY_IN_PROGRESS' && result.status !== 503;
  }

  function answerOf({ results }: Purchase): Told {
    return results.at(-1) as Told;
  }

  /** Purchases whose answer, repeated once more, is not the same again. */
  async function repeatedOtherwise(purchases: Purchase[]): Promise<unknown[]> {
    const repeated = await Promise.all(
      purchases.map(async ({ key, path, body }, index) => shoppers[index % 2]!.ask(path, body, key)),
    );
    return purchases
      .map((purchase, index) => ({ purchase, again: repeated[index] as Told }))
      .filter(({ purchase, again }) => {
        const { status, orderIds } = answerOf(purchase);
        return !again.replayed || again.status !== status || again.orderIds.join() !== orderIds.join();
      });
  }

  async function idsInDatabase(statement: string): Promise<string[]> {
    return (await fleet.database.dataSource.query<{ id: string }[]>(statement)).map(({ id }) => id).toSorted();
  }

  function oversold(): Promise<unknown[]> {
    return fleet.database.dataSource.query('SELECT * FROM products WHERE reserved_quantity > vendor_quantity');
  }
});
