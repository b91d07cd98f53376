import type { QueryRunner } from 'typeorm';
import { ProductsLocked } from '../../../src/orders/orders.errors';
import { Placement } from '../../../src/orders/placement/placement';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { secondPlacement } from '../../support/second-placement';
import { at } from '../../support/time';

const HELD = 200;
const FREE = 40;
const skus = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

describe('a product whose row something else has locked', () => {
  let app: TestApp;
  let vendor: ScriptedVendor;
  let placement: Placement;
  let holder: QueryRunner;

  beforeEach(async () => {
    app = await createApp();
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), Object.fromEntries([...skus('H', HELD), ...skus('F', FREE)].map((sku) => [sku, 1000])));
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl });
    await app.sync('acme');
    placement = app.context.get(Placement);
    holder = app.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SET LOCAL idle_in_transaction_session_timeout = 0');
  });

  afterEach(async () => {
    if (holder.isTransactionActive) await holder.rollbackTransaction();
    await holder.release();
    await vendor.close();
    await app.close();
  });

  const lock = (locked: string[]) =>
    holder.query('SELECT FROM products WHERE product_id = ANY($1) ORDER BY vendor_id, product_id FOR NO KEY UPDATE', [
      locked.map((sku) => `acme:${sku}`),
    ]);

  const place = (sku: string, idempotencyKey?: string, by = placement) =>
    by.place({ productId: `acme:${sku}`, quantity: 1 }, { client: 'shop', idempotencyKey });

  const checkOut = (...of: string[]) =>
    placement.checkOut(
      of.map((sku) => ({ productId: `acme:${sku}`, quantity: 1 })),
      { client: 'shop' },
    );

  /** In which order things came to their end. */
  function finishing(): { note: <Result>(name: string, of: Promise<Result>) => Promise<Result>; names: string[] } {
    const names: string[] = [];
    return { names, note: (name, of) => of.finally(() => names.push(name)) };
  }

  it('is waited for by its own orders only, which are told why', async () => {
    await lock(['H0']);
    const { names, note } = finishing();
    const held = note('held', place('H0')).catch((error: unknown) => error);
    const others = skus('F', FREE).map((sku, n) => note('other', place(sku, n % 2 ? `key ${n}` : undefined)));
    await Promise.all(others);
    await note('other', checkOut('F1', 'F2', 'F3'));
    expect(names).not.toContain('held');
    const refusal = await held;
    expect(refusal).toBeInstanceOf(ProductsLocked);
    expect(refusal).toMatchObject({
      code: 'OVERLOADED',
      message: expect.stringMatching(/^acme:H0: locked by something/),
    });
  });

  it('holds up nobody else, also where it is one of two hundred, all of which are asked for at once', async () => {
    await lock(skus('H', HELD));
    const { names, note } = finishing();
    const held = skus('H', HELD).map((sku) => note('held', place(sku)));
    const answers = Promise.allSettled(held);
    for (const sku of skus('F', FREE)) await note('other', place(sku));
    expect(names.filter((name) => name === 'held')).toEqual([]);
    expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set(['rejected']));
    const [{ orders }] = await app.dataSource.query('SELECT count(*)::integer AS orders FROM orders');
    expect(orders).toBe(FREE);
  });

  it('is sold once it is free in time, in the order it was asked for', async () => {
    await lock(['H0']);
    const { names, note } = finishing();
    const held = [note('first', place('H0', 'first')), note('second', place('H0', 'second'))];
    await place('F0');
    expect(names).toEqual([]);
    await holder.rollbackTransaction();
    const [first, second] = await Promise.all(held);
    const available = await app.dataSource.query(
      'SELECT available_quantity AS available FROM orders WHERE order_id = ANY($1) ORDER BY available_quantity DESC',
      [[first!.order.orderId, second!.order.orderId]],
    );
    expect(available).toEqual([{ available: 1000 }, { available: 999 }]);
    const [{ available: offered }] = await app.dataSource.query(
      'SELECT available_quantity AS available FROM orders WHERE order_id = $1',
      [first!.order.orderId],
    );
    expect(offered).toBe(1000);
  });

  it('leaves the keys of those that asked in vain free, and writes nothing', async () => {
    await lock(['H0']);
    await expect(place('H0', 'mine')).rejects.toThrow(ProductsLocked);
    const [{ keys, orders }] = await app.dataSource.query(
      'SELECT (SELECT count(*)::integer FROM idempotency_keys) AS keys, (SELECT count(*)::integer FROM orders) AS orders',
    );
    expect([keys, orders]).toEqual([0, 0]);
    await holder.rollbackTransaction();
    expect(await place('H0', 'mine')).toMatchObject({ replayed: false });
    expect(await place('H0', 'mine')).toMatchObject({ replayed: true });
  });

  it('holds up a checkout of which it is a line, and nothing of it is written', async () => {
    await lock(['H0']);
    await expect(checkOut('F0', 'H0', 'F1')).rejects.toThrow(/^acme:H0: locked/);
    const [{ reserved }] = await app.dataSource.query(
      'SELECT sum(reserved_quantity)::integer AS reserved FROM products',
    );
    expect(reserved).toBe(0);
  });

  it('still answers the first answer to a key that was answered before', async () => {
    const { order } = await place('H0', 'mine');
    await lock(['H0']);
    expect(await place('H0', 'mine')).toMatchObject({ replayed: true, order: { orderId: order.orderId } });
  });

  it('is still not found where there is none', async () => {
    await lock(['H0']);
    await Promise.allSettled([place('H0')]);
    await expect(place('nowhere')).rejects.toMatchObject({ code: 'PRODUCT_NOT_FOUND' });
  });

  it('starves neither of two processes that sell it as fast as they can', async () => {
    const processes = [placement, secondPlacement(app.context)];
    // Both leave out what is locked from now on.
    await lock(['H0']);
    await Promise.allSettled(processes.map((process) => place('H0', undefined, process)));
    await holder.rollbackTransaction();
    const sold = processes.flatMap((process) => Array.from({ length: 300 }, () => place('H1', undefined, process)));
    const answers = await Promise.allSettled(sold);
    expect(answers.filter(({ status }) => status === 'rejected')).toEqual([]);
  });
});
