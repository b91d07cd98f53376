import { isName, isPrice, isSku } from '../../../src/simulator/catalogue';
import { generatedCatalogue } from '../../../src/simulator/generated-catalogue';
import { type BigVendor, startBigVendor } from '../../support/vendor';
import { type Item, items, type Reply, SimulatedShop } from './simulated-shop';

describe('a generated catalogue', () => {
  const CATALOGUE = { generated: { count: 1_000_000, seed: 7 } };

  it('has names to search for, prices and quantities that follow from the number and the seed', () => {
    const catalogue = generatedCatalogue(1_000_000, 7);
    const sample = Array.from({ length: 2_000 }, (_, index) => catalogue.item(index * 500));

    expect(sample.every(({ sku, name, price }) => isSku(sku) && isName(name) && isPrice(price))).toBe(true);
    expect(sample).toEqual(
      Array.from({ length: 2_000 }, (_, index) => generatedCatalogue(1_000_000, 7).item(index * 500)),
    );
    expect(generatedCatalogue(1_000_000, 8).item(500)).not.toEqual(sample[1]);
    const words = new Set(sample.flatMap(({ name }) => name.split(/[ ,]+/)));
    for (const word of ['Blanket', 'Waterproof', 'Sølund', 'Crimson']) expect(words).toContain(word);
    expect(new Set(sample.map(({ name }) => name)).size).toBeGreaterThan(1_900);
    expect(sample.some(({ quantity }) => quantity === 0)).toBe(true);
    const skus = sample.map(({ sku }) => sku);
    expect(skus).toEqual([...skus].sort());
  });

  it('is listed, sold from, corrected and added to like any other, and only its differences are kept', async () => {
    const shop = await SimulatedShop.open({ catalogue: CATALOGUE });
    const { items: first } = (await shop.stock('?limit=3')).body as { items: Item[] };
    const [sold, corrected, delisted] = first as [Item, Item, Item];
    await shop.request('PUT', `/_stock/${sold.sku}`, { quantity: 10 });
    expect((await shop.order('order-1', sold.sku, 4)).status).toBe(201);
    await shop.request('PUT', `/_stock/${corrected.sku}`, { name: 'Corrected', price: '1.00' });
    await shop.request('DELETE', `/_stock/${delisted.sku}`);
    await shop.request('PUT', '/_stock/0000000', { quantity: 1 });
    const expected = [
      { sku: '0000000', name: '0000000', quantity: 1, price: '10.00' },
      { ...sold, quantity: 6 },
      { ...corrected, name: 'Corrected', price: '1.00' },
    ];

    expect((await shop.stock('?limit=3')).body.items).toEqual(expected);
    await shop.stop();
    await shop.start();
    expect((await shop.stock('?limit=3')).body.items).toEqual(expected);
    await shop.close();
  });

  it.each([
    [{ count: 1_000_001, seed: 1 }, 'generated.count'],
    [{ count: 1.5, seed: 1 }, 'generated.count'],
    [{ count: 1, seed: -1 }, 'generated.seed'],
  ])('is refused when it is %j', async (generated, named) => {
    await expect(SimulatedShop.open({ catalogue: { generated } })).rejects.toThrow(named);
  });

  describe.each(['rest', 'wholesale', 'feed'] as const)('of a big vendor that speaks %s', (dialect) => {
    let vendor: BigVendor;

    beforeAll(async () => {
      vendor = await startBigVendor({ dialect, count: 100_000, seed: 3 });
    });
    afterAll(() => vendor.stop());

    async function skusAndQuantities(): Promise<Map<string, number>> {
      const paths = { rest: '/stock?limit=1000', wholesale: '/inventory?page_size=1000', feed: '/catalogue.ndjson' };
      const text = await (await fetch(`${vendor.baseUrl}${paths[dialect]}`)).text();
      const rows =
        dialect === 'feed'
          ? text
              .split('\n')
              .slice(1, -2)
              .map((line) => JSON.parse(line))
          : (JSON.parse(text).items as Reply['body'][]);
      return new Map(
        rows.map((row) => [row.sku ?? row.item_number ?? row.id, row.quantity ?? row.on_hand ?? row.available]),
      );
    }

    it('changes as many quantities at once as it is told to', async () => {
      const before = await skusAndQuantities();
      await vendor.touch({ share: 0.1 }, 1);
      const after = await skusAndQuantities();

      const changed = [...after].filter(([sku, quantity]) => before.get(sku) !== quantity);
      expect(before.size).toBe(dialect === 'feed' ? 100_000 : 1_000);
      if (dialect === 'feed') expect(changed).toHaveLength(10_000);
      else expect(changed.length).toBeGreaterThan(50);
    });
  });
});

describe('a bulk change of quantities', () => {
  let shop: SimulatedShop;

  beforeEach(async () => {
    shop = await SimulatedShop.open({ catalogue: items(25) });
  });
  afterEach(() => shop.close());

  const touch = (products: object) => shop.request('PUT', '/_stock', { touch: products });
  const quantities = async () => ((await shop.stock()).body.items as Item[]).map(({ quantity }) => quantity);

  it('changes exactly so many, none to what it was, and the same ones with the same seed', async () => {
    const reply = await touch({ count: 10, seed: 1 });
    const once = await quantities();

    expect(reply.body).toEqual({ touched: 10, seed: 1 });
    expect(once.filter((quantity) => quantity !== 50)).toHaveLength(10);
    const again = await SimulatedShop.open({ catalogue: items(25) });
    await again.request('PUT', '/_stock', { touch: { count: 10, seed: 1 } });
    expect(((await again.stock()).body.items as Item[]).map(({ quantity }) => quantity)).toEqual(once);
    await again.close();
  });

  it('changes a share, and no more than there are; with a seed of its own if none is given', async () => {
    const share = await touch({ share: 0.5 });
    const all = await touch({ count: 1_000 });

    expect(share.body).toEqual({ touched: 13, seed: expect.any(Number) });
    expect(all.body.touched).toBe(25);
  });

  it('comes back after a restart', async () => {
    await touch({ count: 20, seed: 5 });
    await touch({ count: 20, seed: 6 });
    const before = await quantities();
    await shop.stop();
    await shop.start();

    expect(await quantities()).toEqual(before);
  });

  it.each<[string, object]>([
    ['touch', {}],
    ['touch', { touch: {} }],
    ['touch', { touch: { count: 1, share: 0.5 } }],
    ['touch.count', { touch: { count: -1 } }],
    ['touch.share', { touch: { share: 1.1 } }],
    ['touch.seed', { touch: { count: 1, seed: 'x' } }],
    ['"colour"', { touch: { count: 1, colour: 'red' } }],
    ['"quantity"', { touch: { count: 1 }, quantity: 7 }],
  ])('is refused naming %s when it is %j', async (named, body) => {
    const reply = await shop.request('PUT', '/_stock', body);

    expect(reply.status).toBe(400);
    expect(reply.body.message).toContain(named);
    expect(await quantities()).toEqual(items(25).map(({ quantity }) => quantity));
  });
});
