import { deadlocks } from '../support/deadlocks';
import { type Fleet, miscounted, startFleet } from '../support/fleet';
import { seeded, shuffled } from '../support/random';
import { Shopper, type Silence, tally, type Told } from '../support/shopper';
import { catalogueOf } from '../support/vendor';

const STOCK = 200;
const CONNECTIONS = 64;
/** Whoever came second found the key answered, or under way. */
const ALLOWED = ['created, replayed', 'IDEMPOTENCY_IN_PROGRESS, created'];
const REFUSED = ['INSUFFICIENT_STOCK, INSUFFICIENT_STOCK replayed', 'IDEMPOTENCY_IN_PROGRESS, INSUFFICIENT_STOCK'];

describe('two API processes on one database', () => {
  let fleet: Fleet;
  let shoppers: Shopper[];

  beforeAll(async () => {
    fleet = await startFleet({ apis: 2, catalogues: { acme: catalogueOf(20, STOCK) }, syncIntervalMs: 60_000 });
    // Stock changes by orders only.
    await fleet.worker.stop();
    shoppers = fleet.apis.map(({ url }) => new Shopper(url, fleet.apiKey, CONNECTIONS));
  });

  afterEach(async () => {
    expect(await miscounted(fleet.database)).toEqual([]);
    expect(await deadlocks(fleet.database.dataSource)).toBe(0);
    expect(fleet.errorsLogged()).toEqual([]);
  });

  afterAll(async () => {
    await Promise.all(shoppers?.map((shopper) => shopper.close()) ?? []);
    await fleet?.stop();
  });

  it.each(Array.from({ length: 10 }, (_, index) => `acme:A-${9 + index}`))(
    'sell exactly what there is of %s, which is asked for at both at once',
    async (productId) => {
      const quantity = STOCK / 20;
      const answers = await Promise.all(
        Array.from({ length: 2 * CONNECTIONS }, (_, index) =>
          shoppers[index % 2]!.ask('/v1/orders', { productId, quantity }),
        ),
      );
      expect(tally(answers)).toEqual({ '201': 20, '409 INSUFFICIENT_STOCK': 2 * CONNECTIONS - 20 });
      expect((await ordersOf([productId])).toSorted()).toEqual(idsOf(answers).toSorted());
    },
  );

  it('sell exactly what there is to checkouts that name the same products in any order, all or nothing', async () => {
    const products = ['acme:A-2', 'acme:A-3', 'acme:A-4'];
    const answers = await seeded((random) =>
      Promise.all(
        Array.from({ length: 2 * STOCK }, (_, index) => {
          const lines = shuffled(products, random).map((productId) => ({ productId, quantity: 1 }));
          return shoppers[index % 2]!.ask('/v1/checkouts', { lines });
        }),
      ),
    );
    expect(tally(answers)).toEqual({ '201': STOCK, '409 INSUFFICIENT_STOCK': STOCK });
    expect((await ordersOf(products)).toSorted()).toEqual(idsOf(answers).toSorted());
  });

  it('place one order for each of 300 keys that are sent to both at once', async () => {
    const wanted = Array.from({ length: 300 }, (_, index) => ({
      key: `twice-${index}`,
      productId: `acme:A-${5 + (index % 3)}`,
    }));
    const pairs = await Promise.all(
      wanted.map(({ key, productId }) => Promise.all(shoppers.map((shopper) => shopper.order(productId, key)))),
    );
    const twins = pairs.map((pair) => pair.map(kindOf).toSorted().join(', '));
    expect(twins.filter((twin) => !ALLOWED.includes(twin))).toEqual([]);
    expect(new Set(pairs.map((pair) => new Set(idsOf(pair)).size))).toEqual(new Set([1]));

    const repeated = await Promise.all(
      wanted.map(({ key, productId }) => Promise.all(shoppers.map((shopper) => shopper.order(productId, key)))),
    );
    expect(repeated.map((pair) => pair.map(kindOf))).toEqual(wanted.map(() => ['replayed', 'replayed']));
    expect(repeated.map(idsOf)).toEqual(pairs.map((pair) => [idsOf(pair)[0], idsOf(pair)[0]]));
    expect(await ordersOf(['acme:A-5', 'acme:A-6', 'acme:A-7'])).toHaveLength(300);
  });

  it('remember one refusal for each key that is sent to both at once', async () => {
    const ask = (index: number): Promise<(Told | Silence)[]> =>
      Promise.all(
        shoppers.map((shopper) =>
          shopper.ask('/v1/orders', { productId: 'acme:A-8', quantity: STOCK + 1 }, `refused-${index}`),
        ),
      );
    const pairs = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(index)));
    const twins = pairs.map((pair) => pair.map(kindOf).toSorted().join(', '));
    expect(twins.filter((twin) => !REFUSED.includes(twin))).toEqual([]);
    const repeated = (await Promise.all(Array.from({ length: 100 }, (_, index) => ask(index)))).flat();
    expect(tally(repeated)).toEqual({ '409 INSUFFICIENT_STOCK': 200 });
    expect(repeated.every((told) => 'status' in told && told.replayed)).toBe(true);
    expect(await ordersOf(['acme:A-8'])).toEqual([]);
  });

  function kindOf(answer: Told | Silence): string {
    if ('silence' in answer) return answer.silence;
    if (answer.status !== 201) return `${answer.code}${answer.replayed ? ' replayed' : ''}`;
    return answer.replayed ? 'replayed' : 'created';
  }

  function idsOf(answers: (Told | Silence)[]): string[] {
    return answers.flatMap((answer) => ('silence' in answer ? [] : answer.orderIds));
  }

  async function ordersOf(productIds: string[]): Promise<string[]> {
    const found = await fleet.database.dataSource.query<{ order_id: string }[]>(
      'SELECT order_id FROM orders WHERE product_id = ANY($1)',
      [productIds],
    );
    return found.map(({ order_id }) => order_id);
  }
});
