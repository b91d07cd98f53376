import { items, type Item, type Reply, SimulatedShop } from './simulated-shop';

describe('a delta of the stock listing', () => {
  let shop: SimulatedShop;

  beforeEach(async () => {
    shop = await SimulatedShop.open({ catalogue: items(25) });
  });
  afterEach(() => shop.close());

  async function delta(
    since: string,
    limit = 1000,
    between?: () => Promise<unknown>,
  ): Promise<{ asOf: string; items: Item[] }> {
    const pages: Reply[] = [await shop.stock(`?updatedSince=${since}&limit=${limit}`)];
    for (let cursor = pages[0]?.body.nextCursor; cursor; cursor = pages.at(-1)?.body.nextCursor) {
      await between?.();
      pages.push(await shop.stock(`?updatedSince=${since}&limit=${limit}&cursor=${cursor}`));
    }
    expect(new Set(pages.map(({ body }) => body.asOf)).size).toBe(1);
    return { asOf: pages[0]?.body.asOf, items: pages.flatMap(({ body }) => body.items) };
  }

  async function asOfNow(): Promise<string> {
    return (await shop.stock('?limit=1')).body.asOf as string;
  }

  /** A time of the vendor's clock that is surely after everything that happened so far. */
  async function later(): Promise<string> {
    const from = await asOfNow();
    for (;;) {
      const now = await asOfNow();
      if (now > from) return now;
    }
  }

  it('has exactly the products whose quantity, price or name changed, each once, with the delta’s own time', async () => {
    await shop.order('order-1', 'SKU-0001');
    const since = await later();
    await shop.order('order-2', 'SKU-0002', 2);
    await shop.request('PUT', '/_stock/SKU-0003', { price: '1.00' });
    await shop.request('PUT', '/_stock/SKU-0004', { name: 'Thing of a new name' });
    await shop.order('order-3', 'SKU-0002', 3);
    await shop.order('order-4', 'SKU-0005', 51);
    const changed = await delta(since);

    expect(changed.items).toEqual([
      { ...items(25)[3], price: '1.00' },
      { ...items(25)[4], name: 'Thing of a new name' },
      { ...items(25)[2], quantity: 45 },
    ]);
    expect(changed.asOf > since).toBe(true);
  });

  it('has what changed in the very millisecond it is asked from, and not what changed one before', async () => {
    const { acceptedAt } = (await shop.order('order-1', 'SKU-0001')).body;
    const after = new Date(Date.parse(acceptedAt) + 1).toISOString();

    expect((await delta(acceptedAt)).items).toHaveLength(1);
    expect((await delta(after)).items).toHaveLength(0);
  });

  it('is empty when nothing changed, and says so for its own time', async () => {
    const since = await later();
    const nothing = await delta(since);

    expect(nothing.items).toEqual([]);
    expect(nothing.asOf >= since).toBe(true);
  });

  it('says nothing of a product that has left the listing', async () => {
    const since = await later();
    await shop.order('order-1', 'SKU-0001');
    await shop.request('DELETE', '/_stock/SKU-0001');
    await shop.request('PUT', '/_stock/NEW', { quantity: 3 });

    expect((await delta(since)).items.map(({ sku }) => sku)).toEqual(['NEW']);
  });

  it('loses no product that changes again while its pages are read, and shows none twice', async () => {
    const since = await later();
    for (const { sku } of items(9)) await shop.order(`first-${sku}`, sku);
    let number = 0;
    const changed = await delta(since, 2, () => shop.order(`again-${number++}`, 'SKU-0008', 2));

    expect(changed.items.map(({ sku }) => sku)).toEqual(items(9).map(({ sku }) => sku));
    expect(changed.items.at(-1)?.quantity).toBe(50 - 1 - 2 * number);
  });

  it('reaches back over a restart', async () => {
    const since = await later();
    await shop.order('order-1', 'SKU-0001');
    await shop.stop();
    await shop.start();

    expect((await delta(since)).items.map(({ sku }) => sku)).toEqual(['SKU-0001']);
    expect((await delta('2020-01-01T00:00:00Z')).items).toHaveLength(1);
  });

  it('carries no validator', async () => {
    const { headers } = await shop.stock(`?updatedSince=${await later()}`);

    expect(headers.has('etag')).toBe(false);
  });

  it('is refused with 410 when it would reach back too far, also when that becomes so between two pages', async () => {
    const since = await later();
    for (const { sku } of items(4)) await shop.order(sku, sku);
    const cursor = (await shop.stock(`?updatedSince=${since}&limit=1`)).body.nextCursor as string;
    await shop.request('PUT', '/_settings', { deltaChangesMax: 2 });
    const answers = [await shop.stock(`?updatedSince=${since}`), await shop.stock(`?cursor=${cursor}`)];

    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [410, 'DELTA_TOO_OLD'],
      [410, 'DELTA_TOO_OLD'],
    ]);
    expect((await shop.stock(`?updatedSince=${await later()}`)).status).toBe(200);
  });

  it('staleSnapshot: knows nothing that came after the start; emptySnapshot leaves a delta alone', async () => {
    const since = await later();
    await shop.order('order-1', 'SKU-0001');
    await shop.faults({ staleSnapshot: { count: 1 }, emptySnapshot: {} });
    const stale = await delta(since);

    expect([stale.items, stale.asOf < since]).toEqual([[], true]);
    expect((await delta(since)).items).toHaveLength(1);
  });

  it('reorderedSnapshot: tells the newest change of a page first', async () => {
    const since = await later();
    for (const { sku } of items(4)) await shop.order(sku, sku);
    await shop.faults({ reorderedSnapshot: {} });

    expect((await delta(since, 2)).items.map(({ sku }) => sku)).toEqual([
      'SKU-0001',
      'SKU-0000',
      'SKU-0003',
      'SKU-0002',
    ]);
  });
});
