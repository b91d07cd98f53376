import type { SimulatedVendor } from '../../../src/simulator/simulator';
import { holdFlushes } from './held-flushes';
import { items, SimulatedShop } from './simulated-shop';
import { SpokenShop } from './spoken';

describe.each(['rest', 'wholesale', 'feed'] as const)('a simulated vendor that speaks %s', (dialect) => {
  let shop: SimulatedShop;
  let speak: SpokenShop;
  const others: SimulatedShop[] = [];

  beforeEach(async () => {
    shop = await open();
    speak = new SpokenShop(shop, dialect);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all([shop, ...others.splice(0)].map((each) => each.close()));
  });

  function open(more: Partial<SimulatedVendor> = {}): Promise<SimulatedShop> {
    const settings = dialect === 'feed' ? { decidedAfterMs: 0 } : {};
    return SimulatedShop.open({ catalogue: items(25), dialect, settings, ...more });
  }

  async function openAnother(more: Partial<SimulatedVendor>): Promise<[SimulatedShop, SpokenShop]> {
    const another = await open(more);
    others.push(another);
    return [another, new SpokenShop(another, dialect)];
  }

  it('lists every product once, in order, with its price, and says when by its own clock', async () => {
    const listing = await speak.listing();

    expect(listing.items).toEqual(items(25));
    expect(listing.asOf).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('sells exactly what it has, whoever comes first', async () => {
    const references = Array.from({ length: 120 }, (_, index) => `order-${index}`);
    const replies = await Promise.all(references.map((reference) => speak.order(reference, 'SKU-0000')));
    await Promise.all(references.map((reference) => speak.decided(reference)));

    expect(replies.every(({ status }) => [speak.spoken.acceptedStatus, 409].includes(status))).toBe(true);
    expect(await speak.quantityOf('SKU-0000')).toBe(0);
    const rows = await shop.ledger();
    expect(rows.filter(({ status }) => status === 'accepted')).toHaveLength(50);
    expect(rows.filter(({ code }) => code === 'OUT_OF_STOCK')).toHaveLength(70);
  });

  it('buys once when the same reference comes twenty times at once, and again later', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => speak.order('order-1', 'SKU-0000', 3)));
    await speak.decided('order-1');
    const later = await speak.order('order-1', 'SKU-0000', 3);

    const repeated = dialect === 'feed' ? 202 : 200;
    expect(replies.map(({ status }) => status).sort()).toEqual([
      ...Array<number>(19).fill(repeated),
      speak.spoken.acceptedStatus,
    ]);
    expect(later.status).toBe(repeated);
    expect(await shop.ledger()).toHaveLength(1);
    expect(await speak.quantityOf('SKU-0000')).toBe(47);
  });

  it('tells in a look-up what stands in the ledger', async () => {
    await speak.orderDecided('order-1', 'SKU-0000', 3);
    const { status, body } = await speak.lookUp('order-1');
    const [row] = await shop.ledger('order-1');

    expect([status, speak.spoken.stateIn(body)]).toEqual([200, 'accepted']);
    expect(Object.values(body)).toEqual(expect.arrayContaining([row?.vendorOrderId, row?.acceptedAt]));
    expect(await speak.state('order-2')).toBe('404');
  });

  it('refuses a product it does not sell, and stays with it', async () => {
    const refused = await speak.order('order-1', 'NOTHING');

    expect([refused.status, speak.spoken.reasonIn(refused.body)]).toEqual([422, 'UNKNOWN_SKU']);
    const { body } = await speak.lookUp('order-1');
    expect([speak.spoken.stateIn(body), speak.spoken.reasonIn(body)]).toEqual(['refused', 'UNKNOWN_SKU']);
    await shop.request('PUT', '/_stock/NOTHING', { quantity: 5 });
    await speak.order('order-1', 'NOTHING');
    expect(await speak.quantityOf('NOTHING')).toBe(5);
  });

  it('refuses more than there is, and stays with it when the stock has come back', async () => {
    const refused = await speak.order('order-1', 'SKU-0000', 51);
    await shop.request('PUT', '/_stock/SKU-0000', { quantity: 100 });
    await speak.order('order-1', 'SKU-0000', 51);

    expect([refused.status, speak.spoken.reasonIn(refused.body)]).toEqual([409, 'OUT_OF_STOCK']);
    expect(await speak.state('order-1')).toBe('refused');
    expect(await speak.quantityOf('SKU-0000')).toBe(100);
  });

  it('answers 400 to an order it does not understand, names what is wrong, and writes nothing down', async () => {
    const whole = speak.spoken.orderBody('order-1', 'SKU-0000', 1);
    const names = Object.keys(whole) as [string, string, string];
    const wrong: [string, unknown][] = [
      ...names.map((name): [string, unknown] => [name, { ...whole, [name]: '' }]),
      [names[2], { ...whole, [names[2]]: 0.5 }],
      ['gift', { ...whole, gift: true }],
      ['object', '[]'],
    ];
    for (const [named, body] of wrong) {
      const reply = await shop.request('POST', speak.spoken.ordersPath, body, { 'idempotency-key': 'order-1' });
      expect([named, reply.status]).toEqual([named, 400]);
      expect(reply.body.message).toContain(named);
    }
    const unreadable = await shop.request('POST', speak.spoken.ordersPath, '{"quantity":');
    const withoutMessage = { ...unreadable.body, message: '' };
    const said = {
      rest: { code: 'BAD_REQUEST' },
      wholesale: { error: 'bad_request' },
      feed: { reason: 'BAD_REQUEST' },
    };
    expect([unreadable.status, withoutMessage]).toEqual([400, { ...said[dialect], message: '' }]);
    expect(await shop.ledger()).toEqual([]);
  });

  it('answers 400 to a parameter it does not know, for it asked for something', async () => {
    const reply = await shop.request('GET', `${speak.spoken.stockPath}?colour=red`);

    expect(reply.status).toBe(400);
    expect(reply.body.message).toContain('"colour"');
  });

  it('gives the stock of a cancelled order back once, and sells nothing to that reference any more', async () => {
    await speak.orderDecided('order-1', 'SKU-0000', 20);
    const cancelled = [await speak.cancel('order-1'), await speak.cancel('order-1')];
    const again = await speak.order('order-1', 'SKU-0000', 20);

    expect(cancelled.map(({ status }) => status)).toEqual([204, 204]);
    expect([again.status, speak.spoken.reasonIn(again.body)]).toEqual([409, 'CANCELLED']);
    expect(await speak.state('order-1')).toBe('cancelled');
    expect(await speak.quantityOf('SKU-0000')).toBe(50);
    expect(await shop.ledger('order-1')).toEqual([expect.objectContaining({ quantity: 20, status: 'cancelled' })]);
  });

  it('cannot take back what has been shipped', async () => {
    const [hasty, speakHasty] = await openAnother({ shipsAfterMs: 0 });
    await speakHasty.orderDecided('order-1', 'SKU-0000', 20);

    expect((await speakHasty.cancel('order-1')).status).toBe(409);
    expect(await speakHasty.state('order-1')).toBe('accepted');
    expect((await hasty.ledger())[0]?.status).toBe('accepted');
  });

  it('asks for its token in its own way', async () => {
    const [, speakGuarded] = await openAnother({ token: 'open-sesame' });
    const { credentials } = speakGuarded.spoken;
    const otherWay: Record<string, string> =
      dialect === 'wholesale' ? { authorization: 'Bearer open-sesame' } : { 'x-api-key': 'open-sesame' };

    for (const wrong of [{}, credentials('guess'), otherWay])
      expect((await speakGuarded.stock(wrong)).status).toBe(401);
    expect((await speakGuarded.stock(credentials('open-sesame'))).status).toBe(200);
    expect((await speakGuarded.order('order-1', 'SKU-0000', 1, credentials('open-sesame'))).status).toBe(
      speakGuarded.spoken.acceptedStatus,
    );
  });

  it('brings everything back after a stop', async () => {
    await speak.orderDecided('order-1', 'SKU-0000', 20);
    await speak.order('order-2', 'NOTHING');
    await shop.request('PUT', '/_stock/NEW', { quantity: 9, price: '1.50' });
    await shop.request('DELETE', '/_stock/SKU-0002');
    await shop.request('PUT', '/_stock', { touch: { count: 5, seed: 3 } });
    const before = [await shop.ledger(), (await speak.listing()).items, await speak.state('order-1')];
    await shop.stop();
    await shop.start();

    expect([await shop.ledger(), (await speak.listing()).items, await speak.state('order-1')]).toEqual(before);
  });

  it('lets no answer leave before the event behind it is on disk', async () => {
    const release = await holdFlushes();
    const left: string[] = [];
    const placed = speak.order('order-1', 'SKU-0000').then(() => left.push('order'));
    await release.reached;
    const asked = [speak.lookUp('order-1'), speak.stock(), speak.cancel('order-1')];
    const answered = asked.map((each) => each.then(() => left.push('another')));
    // Faults are answered without the ledger: when this is back, the others had their time too.
    await shop.request('GET', '/_faults');
    expect(left).toEqual([]);
    release.now();
    await Promise.all([placed, ...answered]);

    expect(left).toHaveLength(4);
  });

  it('contains in its listing every order that was accepted before the time of the listing', async () => {
    let number = 0;
    let buying = true;
    const buyers = Array.from({ length: 4 }, async () => {
      while (buying) {
        const index = number++;
        await speak.order(`order-${index}`, `SKU-${String(index % 25).padStart(4, '0')}`);
      }
    });
    const listings = [];
    for (let round = 0; round < 15; round++) listings.push(await speak.listing());
    buying = false;
    await Promise.all(buyers);
    const rows = (await shop.ledger()).filter(({ status }) => status === 'accepted');

    const lacking = listings.flatMap(({ asOf, items: listed }) =>
      listed.filter(({ sku, quantity }) => {
        const sold = rows.filter((row) => row.sku === sku && (row.acceptedAt as string) < asOf).length;
        return quantity > 50 - sold;
      }),
    );
    expect(rows.length).toBeGreaterThan(50);
    expect(lacking).toEqual([]);
  });
});
