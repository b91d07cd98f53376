import { SimulatedShop } from './simulated-shop';

describe('orders at a simulated vendor', () => {
  let shop: SimulatedShop;

  beforeEach(async () => {
    shop = await SimulatedShop.open();
  });
  afterEach(() => shop.close());

  it('accepts exactly 50 of 200 concurrent orders for a stock of 50', async () => {
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, index) => shop.order(`order-${index}`, 'SKU-0000')),
    );

    expect(replies.filter(({ status }) => status === 201)).toHaveLength(50);
    expect(replies.filter(({ status, body }) => status === 409 && body.code === 'OUT_OF_STOCK')).toHaveLength(150);
    expect(await shop.quantityOf('SKU-0000')).toBe(0);
    const rows = await shop.ledger();
    expect(rows.filter(({ status }) => status === 'accepted')).toHaveLength(50);
    expect(new Set(rows.map(({ reference }) => reference)).size).toBe(200);
    const vendorOrderIds = rows.flatMap(({ vendorOrderId }) => vendorOrderId ?? []);
    expect(new Set(vendorOrderIds).size).toBe(50);
  });

  it('answers the first answer when the same reference comes again, with 200', async () => {
    const first = await shop.order('order-1', 'SKU-0000', 3);
    const again = await shop.order('order-1', 'SKU-0000', 3);

    expect(first.status).toBe(201);
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
    expect(await shop.ledger('order-1')).toEqual([
      { reference: 'order-1', sku: 'SKU-0000', quantity: 3, status: 'accepted', ...first.body },
    ]);
    expect(await shop.quantityOf('SKU-0000')).toBe(47);
  });

  it('buys once when the same reference comes twenty times at once', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => shop.order('order-1', 'SKU-0000')));

    expect(replies.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 201]);
    expect(new Set(replies.map(({ body }) => body.vendorOrderId)).size).toBe(1);
    expect(await shop.ledger()).toHaveLength(1);
  });

  it('gives its orders ids that say nothing of the reference', async () => {
    const reference = '01938f2a-7b1c-7def-8123-456789abcdef';
    const { body } = await shop.order(reference, 'SKU-0000');

    expect(body.vendorOrderId).toBe('TS-0000001');
  });

  it('stays with a refusal, even when the stock has come back', async () => {
    const refused = await shop.order('order-1', 'SKU-0000', 51);
    await shop.request('PUT', '/_stock/SKU-0000', { quantity: 100 });
    const again = await shop.order('order-1', 'SKU-0000', 51);

    expect(refused.status).toBe(409);
    expect(refused.body).toEqual({ code: 'OUT_OF_STOCK', message: expect.any(String) });
    expect([again.status, again.body]).toEqual([409, refused.body]);
    expect(await shop.quantityOf('SKU-0000')).toBe(100);
    expect((await shop.lookUp('order-1')).body).toEqual({
      vendorOrderId: null,
      acceptedAt: null,
      status: 'refused',
      code: 'OUT_OF_STOCK',
    });
  });

  it('refuses a product it does not sell', async () => {
    const reply = await shop.order('order-1', 'NOTHING');

    expect([reply.status, reply.body.code]).toEqual([422, 'UNKNOWN_SKU']);
    expect(await shop.ledger()).toEqual([expect.objectContaining({ status: 'refused', code: 'UNKNOWN_SKU' })]);
  });

  it('says that it does not know a reference it has not seen', async () => {
    expect((await shop.lookUp('order-1')).status).toBe(404);
  });

  it.each<[string, unknown]>([
    ['no object', '[]'],
    ['text that is no JSON', '{"reference":'],
    ['an empty object', {}],
    ['a quantity of zero', { reference: 'order-1', sku: 'SKU-0000', quantity: 0 }],
    ['half a piece', { reference: 'order-1', sku: 'SKU-0000', quantity: 0.5 }],
    ['a quantity in words', { reference: 'order-1', sku: 'SKU-0000', quantity: '1' }],
    ['an empty SKU', { reference: 'order-1', sku: '', quantity: 1 }],
    ['a SKU with a line break', { reference: 'order-1', sku: 'A\nB', quantity: 1 }],
    ['a reference that is too long', { reference: 'x'.repeat(129), sku: 'SKU-0000', quantity: 1 }],
    ['a field it does not know', { reference: 'order-1', sku: 'SKU-0000', quantity: 1, gift: true }],
  ])('answers 400 to %s and writes nothing down', async (_, body) => {
    const reply = await shop.request('POST', '/orders', body, { 'idempotency-key': 'order-1' });

    expect([reply.status, reply.body.code]).toEqual([400, 'BAD_REQUEST']);
    expect(await shop.ledger()).toEqual([]);
  });

  it('answers 400 when the idempotency key is not the reference', async () => {
    expect((await shop.order('order-1', 'SKU-0000', 1, { 'idempotency-key': 'order-2' })).status).toBe(400);
    expect(await shop.ledger()).toEqual([]);
  });

  describe('cancelling', () => {
    it('gives the stock back once, closes the reference and keeps the purchase in the books', async () => {
      const { body: purchase } = await shop.order('order-1', 'SKU-0000', 20);

      const replies = [
        await shop.request('DELETE', '/orders/order-1'),
        await shop.request('DELETE', '/orders/order-1'),
      ];

      expect(replies.map(({ status }) => status)).toEqual([204, 204]);
      expect(await shop.quantityOf('SKU-0000')).toBe(50);
      expect((await shop.lookUp('order-1')).body).toEqual({ ...purchase, status: 'cancelled' });
      const again = await shop.order('order-1', 'SKU-0000', 20);
      expect([again.status, again.body.code]).toEqual([409, 'CANCELLED']);
      expect(await shop.ledger('order-1')).toEqual([expect.objectContaining({ ...purchase, status: 'cancelled' })]);
    });

    it('closes a reference it has never seen, so that an order that comes later buys nothing', async () => {
      expect((await shop.request('DELETE', '/orders/order-1')).status).toBe(204);

      const late = await shop.order('order-1', 'SKU-0000');

      expect([late.status, late.body.code]).toEqual([409, 'CANCELLED']);
      expect((await shop.lookUp('order-1')).body).toEqual({
        vendorOrderId: null,
        acceptedAt: null,
        status: 'cancelled',
      });
      expect(await shop.ledger()).toEqual([]);
      expect(await shop.quantityOf('SKU-0000')).toBe(50);
    });

    it('closes a refused reference', async () => {
      await shop.order('order-1', 'SKU-0000', 51);
      expect((await shop.request('DELETE', '/orders/order-1')).status).toBe(204);

      expect((await shop.order('order-1', 'SKU-0000', 51)).body.code).toBe('CANCELLED');
    });

    it('keeps references closed over a restart', async () => {
      await shop.request('DELETE', '/orders/never-seen');
      await shop.order('order-1', 'SKU-0000', 20);
      await shop.request('DELETE', '/orders/order-1');
      await shop.stop();
      await shop.start();

      expect((await shop.order('never-seen', 'SKU-0000')).body.code).toBe('CANCELLED');
      expect((await shop.order('order-1', 'SKU-0000')).body.code).toBe('CANCELLED');
      expect(await shop.quantityOf('SKU-0000')).toBe(50);
    });

    it('is too late once the goods have been shipped', async () => {
      const hasty = await SimulatedShop.open({ shipsAfterMs: 0 });
      await hasty.order('order-1', 'SKU-0000', 20);

      const reply = await hasty.request('DELETE', '/orders/order-1');

      expect([reply.status, reply.body.code]).toEqual([409, 'TOO_LATE']);
      expect((await hasty.lookUp('order-1')).body.status).toBe('accepted');
      expect(await hasty.quantityOf('SKU-0000')).toBe(30);
      await hasty.close();
    });
  });

  describe('with a token', () => {
    it('asks for it in the dialect, and not behind the counter', async () => {
      const guarded = await SimulatedShop.open({ token: 'open-sesame' });

      expect((await guarded.stock()).status).toBe(401);
      expect((await guarded.stock()).headers.get('www-authenticate')).toBe('Bearer');
      expect((await guarded.order('order-1', 'SKU-0000', 1, { authorization: 'Bearer guess' })).status).toBe(401);
      expect((await guarded.order('order-1', 'SKU-0000', 1, { authorization: 'Bearer open-sesame' })).status).toBe(201);
      expect(await guarded.ledger()).toHaveLength(1);
      await guarded.close();
    });
  });
});
