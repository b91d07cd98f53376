import { Placement } from '../../../src/orders/placement/placement';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { ApplyRepository } from '../../../src/stock/sync/apply.repository';
import { StockSync } from '../../../src/stock/sync/stock-sync';
import { SyncLeaseLost } from '../../../src/stock/sync/sync-lease.repository';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

/** Of 100 SKUs the first 70 are listed: the first of the others by id are named. */
const MISSING_NAMED =
  /^TRUNCATED: the listing lacks 30 of 100 known SKUs, such as S70 \(Article S70\), S71 .*S74 \(Article S74\)$/;

describe('applying a listing', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
  });

  afterEach(async () => {
    await vendor.close();
    await app.close();
  });

  async function product(sku: string): Promise<Record<string, unknown>> {
    const [found] = await app.dataSource.query(
      `SELECT vendor_quantity AS vendor, reserved_quantity AS reserved, stock_quantity AS stock, listed, price, xmin
       FROM products WHERE product_id = $1`,
      [`acme:${sku}`],
    );
    return found;
  }

  async function place(sku: string, quantity: number): Promise<string> {
    const { order } = await app.context
      .get(Placement)
      .place({ productId: `acme:${sku}`, quantity }, { client: 'test' });
    return order.orderId;
  }

  async function dispatchAll(): Promise<void> {
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
  }

  async function holdOf(orderId: string): Promise<string> {
    return (await app.dataSource.query('SELECT hold_state FROM orders WHERE order_id = $1', [orderId]))[0].hold_state;
  }

  it('adds what is new, writes what differs and leaves the rest untouched', async () => {
    vendor.lists(at(-60), { A: 5, B: 6 });
    expect(await app.sync('acme')).toMatchObject({ status: 'succeeded', seen: 2, changed: 2, unchanged: 0 });
    const before = await product('B');
    vendor.lists(at(-50), { A: 4, B: 6 });
    expect(await app.sync('acme')).toMatchObject({ status: 'succeeded', seen: 2, changed: 1, unchanged: 1 });
    expect(await product('A')).toMatchObject({ vendor: 4, stock: 4 });
    expect((await product('B'))['xmin']).toBe(before['xmin']);
  });

  it('never touches what we have promised', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    await place('A', 4);
    vendor.lists(at(-50), { A: 10 });
    await app.sync('acme');
    expect(await product('A')).toMatchObject({ vendor: 10, reserved: 4, stock: 6 });
  });

  it('counts an accepted order once: by us until a later listing contains it, by the vendor from then on', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const orderId = await place('A', 4);
    vendor.accepts(at(-40));
    await dispatchAll();
    expect(await holdOf(orderId)).toBe('acknowledged');
    expect(await product('A')).toMatchObject({ vendor: 10, reserved: 4, stock: 6 });
    vendor.lists(at(-30), { A: 6 });
    await app.sync('acme');
    expect(await holdOf(orderId)).toBe('settled');
    expect(await product('A')).toMatchObject({ vendor: 6, reserved: 0, stock: 6 });
  });

  it('does not settle on equal times: the listing may have been read just before the sale', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const orderId = await place('A', 4);
    vendor.accepts(at(-40));
    await dispatchAll();
    vendor.lists(at(-40), { A: 10 });
    await app.sync('acme');
    expect(await holdOf(orderId)).toBe('acknowledged');
    expect(await product('A')).toMatchObject({ reserved: 4, stock: 6 });
  });

  it('settles beyond the vendor’s clock margin only', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, clockMarginMs: 5000 });
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const orderId = await place('A', 4);
    vendor.accepts(at(-40));
    await dispatchAll();
    vendor.lists(at(-36), { A: 6 });
    await app.sync('acme');
    expect(await holdOf(orderId)).toBe('acknowledged');
    vendor.lists(at(-34), { A: 6 });
    await app.sync('acme');
    expect(await holdOf(orderId)).toBe('settled');
  });

  it('settles although the number did not change: a sale and a restock cancelled out', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const orderId = await place('A', 4);
    vendor.accepts(at(-40));
    await dispatchAll();
    vendor.lists(at(-30), { A: 10 });
    await app.sync('acme');
    expect(await holdOf(orderId)).toBe('settled');
    expect(await product('A')).toMatchObject({ vendor: 10, reserved: 0, stock: 10 });
  });

  it('settles at once an answer that comes after a listing that contains it', async () => {
    vendor.lists(at(-60), { A: 10 });
    await app.sync('acme');
    const orderId = await place('A', 4);
    await dispatchAll();
    vendor.lists(at(-30), { A: 6 });
    await app.sync('acme');
    expect(await product('A')).toMatchObject({ vendor: 6, reserved: 4, stock: 2 });
    vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(-40) } });
    await dispatchAll();
    expect(await holdOf(orderId)).toBe('settled');
    expect(await product('A')).toMatchObject({ vendor: 6, reserved: 0, stock: 6 });
  });

  describe('of a vendor that sets its clock back', () => {
    /** The vendor has none left, and we know it. */
    async function expectSoldOut(orderId: string): Promise<void> {
      expect(await holdOf(orderId)).toBe('acknowledged');
      await expect(place('A', 1)).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' });
    }

    it('settles nothing that was placed after the listing was asked for', async () => {
      vendor.lists(at(600), { A: 1 });
      await app.sync('acme');
      const orderId = await place('A', 1);
      vendor.accepts(at(1));
      await dispatchAll();
      await expectSoldOut(orderId);
    });

    it('settles nothing that had waited since before, and was sent afterwards', async () => {
      vendor.lists(at(590), { A: 1 });
      await app.sync('acme');
      const orderId = await place('A', 1);
      vendor.lists(at(600), { A: 1 });
      await app.sync('acme');
      vendor.accepts(at(1));
      await dispatchAll();
      await expectSoldOut(orderId);
    });

    it('settles nothing that was accepted while the listing was on its way', async () => {
      vendor.lists(at(590), { A: 1 });
      await app.sync('acme');
      const orderId = await place('A', 1);
      vendor.accepts(at(1));
      vendor.lists(at(600), { A: 1 });
      const [listed] = vendor.listing;
      vendor.onStock = async () => {
        await dispatchAll();
        return { status: 200, body: { ...listed, nextCursor: null } };
      };
      await app.sync('acme');
      await expectSoldOut(orderId);
    });

    it('settles nothing by a listing from ahead that was held, and is believed once its time has come', async () => {
      vendor.lists(at(-60), { A: 1 });
      await app.sync('acme');
      vendor.lists(at(3600), { A: 1 });
      expect(await app.sync('acme')).toMatchObject({ status: 'held', heldFor: 'CLOCK' });
      const orderId = await place('A', 1);
      vendor.accepts(at(1));
      await dispatchAll();
      // Nearly an hour later, as far as anybody can tell.
      await app.dataSource.query('UPDATE vendors SET clock_offset_ms = 3600000');
      expect(await app.sync('acme')).toMatchObject({ status: 'succeeded' });
      await expectSoldOut(orderId);
    });

    it('settles nothing late by a row that a listing made before has written since', async () => {
      vendor.lists(at(600), { A: 2 });
      await app.sync('acme');
      const orderId = await place('A', 1);
      await dispatchAll();
      vendor.lists(at(600), { A: 1 });
      await app.sync('acme');
      vendor.onLookUp = () => ({ status: 200, body: { vendorOrderId: 'V-1', acceptedAt: at(1) } });
      await dispatchAll();
      expect(await holdOf(orderId)).toBe('acknowledged');
    });

    it('settles nothing by a listing that was made before, and is still given afterwards', async () => {
      vendor.lists(at(600), { A: 1 });
      await app.sync('acme');
      const orderId = await place('A', 1);
      vendor.accepts(at(1));
      await dispatchAll();
      await app.sync('acme');
      await expectSoldOut(orderId);
    });
  });

  it('changes nothing by a listing older than the one it has', async () => {
    vendor.lists(at(-30), { A: 5 });
    await app.sync('acme');
    vendor.lists(at(-60), { A: 9, B: 1 });
    expect(await app.sync('acme')).toMatchObject({ status: 'held', error: expect.stringMatching(/^CLOCK/) });
    expect(await product('A')).toMatchObject({ vendor: 5 });
    expect(await product('B')).toBeUndefined();
  });

  it('holds a listing from a clock that jumped ahead', async () => {
    vendor.lists(at(-60), { A: 5 });
    await app.sync('acme');
    vendor.lists(at(3600), { A: 9 });
    expect(await app.sync('acme')).toMatchObject({ status: 'held', error: expect.stringMatching(/^CLOCK/) });
    expect(await product('A')).toMatchObject({ vendor: 5 });
  });

  it('takes a product that left a complete listing off sale, and back on when it returns', async () => {
    vendor.lists(at(-60), { A: 5, B: 5 });
    await app.sync('acme');
    vendor.lists(at(-50), { A: 5 });
    expect(await app.sync('acme')).toMatchObject({ status: 'succeeded', missing: 1 });
    expect(await product('B')).toMatchObject({ listed: false, stock: 0 });
    await expect(place('B', 1)).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' });
    vendor.lists(at(-40), { A: 5, B: 7 });
    await app.sync('acme');
    expect(await product('B')).toMatchObject({ listed: true, stock: 7 });
  });

  it.each([
    ['empty', {}, /^EMPTY/],
    ['truncated', Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`S${index}`, 1])), MISSING_NAMED],
  ])('never empties a catalogue by an %s listing, but believes the numbers it has', async (_, quantities, error) => {
    vendor.lists(at(-60), Object.fromEntries(Array.from({ length: 100 }, (__, index) => [`S${index}`, 5])));
    await app.sync('acme');
    vendor.lists(at(-50), quantities);
    expect(await app.sync('acme')).toMatchObject({ status: 'held', error: expect.stringMatching(error) });
    const [{ listed }] = await app.dataSource.query('SELECT count(*)::integer AS listed FROM products WHERE listed');
    expect(listed).toBe(100);
    expect(await product('S99')).toMatchObject({ vendor: 5 });
    if ('S0' in quantities) expect(await product('S0')).toMatchObject({ vendor: 1 });
  });

  it('does not settle by a listing that was held, for the products it lacked', async () => {
    const full = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`S${index}`, 5]));
    vendor.lists(at(-60), full);
    await app.sync('acme');
    const orderId = await place('S99', 2);
    vendor.lists(at(-30), {});
    await app.sync('acme');
    vendor.accepts(at(-40));
    await dispatchAll();
    expect(await holdOf(orderId)).toBe('acknowledged');
    expect(await product('S99')).toMatchObject({ vendor: 5, reserved: 2, stock: 3 });
  });

  it('rejects rows that break a rule, counts them, and applies the others', async () => {
    vendor.listing = [
      {
        asOf: at(-60),
        items: [
          { sku: 'GOOD', name: 'Good', quantity: 1, price: '1.50' },
          { sku: 'NUMBER', name: 'A price as a number', quantity: 1, price: 1.5 },
          { sku: 'NEGATIVE', name: 'x', quantity: -1, price: '1.00' },
          { sku: 'HALF', name: 'x', quantity: 1.5, price: '1.00' },
          { sku: 'CHEAP', name: 'x', quantity: 1, price: '-1.00' },
          { sku: 'FINE', name: 'x', quantity: 1, price: '1.001' },
          { sku: 'NO\u0000', name: 'x', quantity: 1, price: '1.00' },
          { sku: 'x'.repeat(129), name: 'x', quantity: 1, price: '1.00' },
          { sku: '', name: 'x', quantity: 1, price: '1.00' },
          { sku: 7, name: 'x', quantity: 1, price: '1.00' },
          { name: 'x', quantity: 1, price: '1.00' },
          { sku: 'HUGE', name: 'x', quantity: 1e12, price: '1.00' },
          null,
          'rubbish',
        ],
      },
    ];
    expect(await app.sync('acme')).toMatchObject({ status: 'succeeded', seen: 14, changed: 2, rejected: 12 });
    expect(await product('GOOD')).toMatchObject({ price: '1.50' });
    expect(await product('NUMBER')).toMatchObject({ price: '1.50' });
  });

  it('reads all pages, and the later of two rows for one SKU', async () => {
    const row = (sku: string, quantity: number) => ({ sku, name: sku, quantity, price: '1.00' });
    vendor.listing = [
      { asOf: at(-60), items: [row('A', 1), row('B', 2)] },
      { asOf: at(-60), items: [row('B', 3), row('C', 4)] },
    ];
    await app.sync('acme');
    expect(await Promise.all(['A', 'B', 'C'].map(async (sku) => (await product(sku))['vendor']))).toEqual([1, 3, 4]);
  });

  it.each([
    [
      'pages of two times',
      () => [
        { asOf: at(-60), items: [] },
        { asOf: at(-59), items: [] },
      ],
      /asOf changed/,
    ],
    ['no time', () => [{ asOf: 'yesterday', items: [] }], /asOf is missing/],
    ['no list', () => [{ asOf: at(-60), items: 'none' as unknown as [] }], /items is not a list/],
  ])('fails without a trace on %s', async (_, listing, error) => {
    vendor.lists(at(-70), { A: 5 });
    await app.sync('acme');
    vendor.listing = listing();
    expect(await app.sync('acme')).toMatchObject({ status: 'failed', error: expect.stringMatching(error) });
    expect(await product('A')).toMatchObject({ vendor: 5, listed: true });
    const left = `SELECT relname FROM pg_class WHERE relname LIKE 'stock\\_staging\\_%' AND relkind = 'r'`;
    expect(await app.dataSource.query(left)).toEqual([]);
  });

  it.each([
    ['drops the connection', 'drop'],
    ['answers 500', { status: 500 }],
    ['redirects', { status: 302, headers: { location: '/' } }],
    ['answers rubbish', { status: 200, body: '<html>' }],
  ] as const)('keeps what it knows when the vendor %s', async (_, answer) => {
    vendor.lists(at(-60), { A: 5 });
    await app.sync('acme');
    vendor.onStock = () => answer;
    expect(await app.sync('acme')).toMatchObject({ status: 'failed' });
    expect(await product('A')).toMatchObject({ vendor: 5, listed: true });
  });

  it('writes nothing once its lease is lost to another worker', async () => {
    vendor.lists(at(-60), { A: 5 });
    await app.sync('acme');
    const { listing } = vendor;
    vendor.onStock = async () => {
      await app.dataSource.query(`UPDATE vendors SET sync_token = sync_token + 1`);
      return {
        status: 200,
        body: {
          ...listing[0],
          asOf: at(-50),
          items: [{ ...(listing[0]!.items[0] as object), quantity: 9 }],
          nextCursor: null,
        },
      };
    };
    expect(await app.sync('acme')).toMatchObject({ status: 'failed', error: expect.stringMatching(/lease/) });
    expect(await product('A')).toMatchObject({ vendor: 5 });
  });

  it('leaves the run of its successor alone when it wakes up without its lease', async () => {
    vendor.lists(at(-60), { A: 5 });
    await app.sync('acme');
    const sync = app.context.get(StockSync);
    await app.dataSource.query('UPDATE vendors SET sync_due_at = now()');
    const asleep = (await sync.takeDue())!;
    // The successor has staged its listing and is about to apply it.
    const apply = app.context.get(ApplyRepository);
    const find = apply.findChanged.bind(apply);
    let woken: unknown;
    jest.spyOn(apply, 'findChanged').mockImplementationOnce(async (...asked) => {
      woken = await sync.run(asleep, new AbortController().signal).catch((error: unknown) => error);
      return find(...asked);
    });
    vendor.lists(at(-50), { A: 4 });
    expect(await app.sync('acme')).toMatchObject({ status: 'succeeded' });
    expect(await product('A')).toMatchObject({ vendor: 4, listed: true });
    expect(woken).toBeInstanceOf(SyncLeaseLost);
  });
});
