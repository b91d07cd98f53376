import type { INestApplicationContext } from '@nestjs/common';
import { NoFreeSlot, OrdersInHand, VendorShut } from '../../../src/orders/fulfilment/orders-in-hand';
import { Placement } from '../../../src/orders/placement/placement';
import { Breaker, type Leave } from '../../../src/vendors/breaker/breaker';
import { BreakerRepository, RAMP_STEP_MS } from '../../../src/vendors/breaker/breaker.repository';
import { VendorRegistry } from '../../../src/vendors/vendor-registry';
import { createApp, type TestApp } from '../../support/app';
import { freePort } from '../../support/processes';
import { type ScriptedAnswer, ScriptedVendor } from '../../support/scripted-vendor';
import { at } from '../../support/time';

/** As many as open the breaker, were they to fail. */
const CALLS = 5;
/** A slot is leased for longer than that: many are asked for at once, which takes a busy machine a second. */
const VENDOR_TIMEOUT_MS = 4000;
/** Of each vendor: each is taken in hand once. */
const ORDERS = { acme: 400, other: 10 };

let app: TestApp;
let first: INestApplicationContext;
let second: INestApplicationContext;
let vendor: ScriptedVendor;
const untaken: Record<string, string[]> = {};

beforeAll(async () => {
  app = await createApp({ VENDOR_TIMEOUT_MS: String(VENDOR_TIMEOUT_MS) });
  first = app.context;
  second = await app.another();
  for (const [vendorId, orders] of Object.entries(ORDERS)) {
    vendor = await ScriptedVendor.listen();
    vendor.lists(at(-60), { A: orders });
    await app.register({ vendorId, baseUrl: vendor.baseUrl });
    await app.sync(vendorId);
    await vendor.close();
    const order = () => first.get(Placement).place({ productId: `${vendorId}:A`, quantity: 1 }, { client: 'test' });
    const placed = await Promise.all(Array.from({ length: orders }, order));
    untaken[vendorId] = placed.map(({ order: { orderId } }) => orderId);
  }
});

afterAll(() => app.close());

beforeEach(async () => {
  await app.dataSource.query('DELETE FROM vendor_breakers');
  await app.dataSource.query('UPDATE vendor_slots SET token = NULL, leased_until = NULL');
  vendor = await ScriptedVendor.listen();
  await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, maxConcurrentOrders: 64 });
  await app.register({ vendorId: 'other', baseUrl: vendor.baseUrl });
  // What earlier tests left in the processes' memory.
  for (const process of [first, second]) await notes(process, 'well', closedLeave());
});

afterEach(() => vendor.close());

const closedLeave = (): Leave => ({ vendorId: 'acme', operation: 'orders', opening: null, givenAt: performance.now() });

/** Takes an order of the vendor in hand. Answers the leave to call it, or that there is none. */
async function take(process: INestApplicationContext, vendorId = 'acme'): Promise<Leave | undefined> {
  const orderId = untaken[vendorId]!.pop()!;
  const taken = await process
    .get(OrdersInHand)
    .take(orderId)
    .catch((error: unknown) => {
      if (error instanceof NoFreeSlot || error instanceof VendorShut) return undefined;
      throw error;
    });
  if (!taken) untaken[vendorId]!.push(orderId);
  return taken?.leave;
}

/** What leaves are given, of so many that both processes ask for at once. */
async function granted(count: number): Promise<Leave[]> {
  const asked = Array.from({ length: count }, (_, index) => take(index % 2 === 0 ? first : second));
  return (await Promise.all(asked)).filter((leave) => leave !== undefined);
}

function notes(process: INestApplicationContext, health: 'well' | 'failing' | 'unsaid', leave: Leave): Promise<void> {
  return process.get(Breaker).note(leave, health);
}

async function fails(process: INestApplicationContext, times: number): Promise<void> {
  for (let count = 0; count < times; count++) await notes(process, 'failing', closedLeave());
}

const stateIn = async (process: INestApplicationContext, vendorId = 'acme') =>
  (await process.get(VendorRegistry).get(vendorId)).breakers.orders;

async function stored(): Promise<{ opening: string; pauseMs: number }> {
  const [row] = await app.dataSource.query(
    `SELECT opening, extract(epoch FROM open_until - now()) * 1000 AS ms FROM vendor_breakers WHERE operation = 'orders'`,
  );
  return { opening: row.opening, pauseMs: Number(row.ms) };
}

const pauseEnds = () => app.dataSource.query(`UPDATE vendor_breakers SET open_until = now() - interval '1 ms'`);
const freeSlots = () => app.dataSource.query('UPDATE vendor_slots SET token = NULL, leased_until = NULL');

async function opened(): Promise<void> {
  await fails(first, CALLS);
  expect(await stateIn(second)).toBe('open');
}

/** Half open, and somebody has the probe. */
async function probing(): Promise<Leave> {
  await opened();
  await pauseEnds();
  return (await take(first))!;
}

describe('while its calls fail, a vendor', () => {
  it('is left alone by all processes once one of them has sensed it, and no other vendor is', async () => {
    await fails(first, CALLS - 1);
    expect(await stateIn(second)).toBe('closed');
    await fails(first, 1);
    for (const process of [first, second]) {
      expect(await stateIn(process)).toBe('open');
      expect(await take(process)).toBeUndefined();
      expect(await take(process, 'other')).toMatchObject({ opening: null });
      expect(await process.get(VendorRegistry).callsAllowed(['acme', 'other'])).toEqual([
        { vendorId: 'acme', enabled: true, callsAllowed: 0 },
        { vendorId: 'other', enabled: true, callsAllowed: 8 },
      ]);
    }
    const standing = { breaker: 'open', breakers: { orders: 'open', stock: 'closed' }, paused: false };
    expect(await second.get(VendorRegistry).get('acme')).toMatchObject(standing);
  });

  it('is left alone still by a process that starts later', async () => {
    await opened();
    const third = await app.another();
    expect(await take(third)).toBeUndefined();
  });

  it('is not left alone for failures with a success in between', async () => {
    await fails(first, CALLS - 1);
    await notes(first, 'well', closedLeave());
    await fails(first, CALLS - 1);
    expect(await stateIn(first)).toBe('closed');
  });

  it('is opened once by processes that sense it together', async () => {
    await Promise.all([fails(first, CALLS), fails(second, CALLS)]);
    const { opening } = await stored();
    await fails(second, CALLS);
    expect(await stored()).toMatchObject({ opening });
    const [{ pauses }] = await app.dataSource.query('SELECT pauses FROM vendor_breakers');
    expect(pauses).toBe(1);
  });

  it('keeps its answers, when the database cannot be told of them', async () => {
    const open = jest.spyOn(first.get(BreakerRepository), 'open').mockRejectedValueOnce(new Error('no database'));
    const answer = { outcome: 'unknown', detail: '', health: 'failing' } as const;
    for (let call = 0; call < CALLS; call++) {
      expect(await first.get(Breaker).watch(closedLeave(), () => Promise.resolve(answer))).toBe(answer);
    }
    expect([open.mock.calls.length, await stateIn(first)]).toEqual([1, 'closed']);
    await fails(first, 1);
    expect(await stateIn(first)).toBe('open');
  });
});

describe('what a vendor answers', () => {
  const purchase = async () => {
    const registry = first.get(VendorRegistry);
    const registered = await registry.get('acme');
    const order = { reference: 'r-1', sku: 'A', quantity: 1 };
    const call = () => registry.adapterOf(registered).purchase(registered, order);
    await Promise.all(Array.from({ length: CALLS }, () => first.get(Breaker).watch(closedLeave(), call)));
    return stateIn(second);
  };

  const failures: [string, ScriptedAnswer][] = [
    ['500', { status: 500 }],
    ['501', { status: 501 }],
    ['503 with Retry-After', { status: 503, headers: { 'retry-after': '1' } }],
    ['504', { status: 504 }],
    ['a dropped connection', 'drop'],
    ['nothing before the deadline', { hang: new Promise(() => undefined) }],
    ['a 201 that cannot be read', { status: 201, body: '<html>' }],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }],
    ...[400, 401, 403, 404, 405, 407, 408, 410, 421, 422, 425, 426, 451].map((status): [string, ScriptedAnswer] => [
      `a page with ${status}`,
      { status, body: '<html>' },
    ]),
    ['409 without a code', { status: 409, body: '<html>' }],
    ...[401, 403, 407].map((status): [string, ScriptedAnswer] => [
      `${status} with a code`,
      { status, body: { code: 'NO' } },
    ]),
  ];

  it.each(failures)('opens it: %s', async (_, answer) => {
    vendor.onPurchase = () => answer;
    expect(await purchase()).toBe('open');
  });

  const others: [string, ScriptedAnswer][] = [
    ['201', { status: 201, body: { vendorOrderId: 'V-1', acceptedAt: at(-30) } }],
    ['409 with a code', { status: 409, body: { code: 'OUT_OF_STOCK' } }],
    ...[400, 404, 410, 422].map((status): [string, ScriptedAnswer] => [
      `${status} with a code`,
      { status, body: { code: 'BAD_REQUEST' } },
    ]),
    ['429', { status: 429 }],
  ];

  it.each(others)('never opens it: %s', async (_, answer) => {
    vendor.onPurchase = () => answer;
    expect(await purchase()).toBe('closed');
  });

  it('opens it: no connection', async () => {
    await app.register({ vendorId: 'acme', baseUrl: `http://127.0.0.1:${await freePort()}` });
    expect(await purchase()).toBe('open');
  });

  it('opens it not: nothing, for we have no credential to ask with', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, credentialEnv: 'VENDOR_TOKEN_NOT_SET' });
    expect(await purchase()).toBe('closed');
  });

  it('is forgiven neither way: a rate limit among failures', async () => {
    await fails(first, CALLS - 1);
    await notes(first, 'unsaid', closedLeave());
    expect(await stateIn(first)).toBe('closed');
    await fails(first, 1);
    expect(await stateIn(first)).toBe('open');
  });
});

describe('when its pause is over, a vendor', () => {
  it('is half open, and gets one call, however many are asked for at once', async () => {
    await opened();
    await pauseEnds();
    expect(await stateIn(second)).toBe('halfOpen');
    const leaves = await granted(40);
    expect(leaves).toEqual([expect.objectContaining({ opening: (await stored()).opening })]);
  });

  it('is called again by all once the probe succeeds', async () => {
    await notes(first, 'well', await probing());
    expect(await stateIn(second)).toBe('closed');
    await freeSlots();
    expect(await take(second)).toMatchObject({ opening: null });
  });

  it('is left alone for longer each time the probe fails, and no longer than a minute', async () => {
    await opened();
    const pauses = [(await stored()).pauseMs];
    for (let probe = 0; probe < 6; probe++) {
      await pauseEnds();
      await freeSlots();
      await notes(second, 'failing', (await take(second))!);
      expect(await stateIn(first)).toBe('open');
      pauses.push((await stored()).pauseMs);
    }
    const seconds = pauses.map((ms) => Math.round(ms / 1000));
    expect(seconds).toEqual([5, 10, 20, 40, 60, 60, 60]);
    await pauseEnds();
    await freeSlots();
    await notes(second, 'well', (await take(second))!);
    await fails(first, CALLS);
    expect(Math.round((await stored()).pauseMs / 1000)).toBe(5);
  });

  it('is probed again at once after a rate limit, which says nothing', async () => {
    await notes(first, 'unsaid', await probing());
    expect(await stateIn(second)).toBe('halfOpen');
    await freeSlots();
    expect(await granted(10)).toHaveLength(1);
  });

  it('is probed by another when the prober has died, once its lease has ended', async () => {
    const dead = await probing();
    expect(await granted(10)).toEqual([]);
    await app.dataSource.query(
      `UPDATE vendor_slots SET leased_until = now() - interval '1 ms' WHERE token IS NOT NULL`,
    );
    const [next, ...more] = await granted(10);
    expect([next?.opening, more]).toEqual([dead.opening, []]);
    await notes(second, 'failing', next!);
    const { opening } = await stored();
    // It was only frozen.
    await notes(first, 'failing', dead);
    await notes(first, 'well', dead);
    expect(await stored()).toMatchObject({ opening });
    expect(await stateIn(first)).toBe('open');
  });

  it('is not left alone again for calls that began before it was well', async () => {
    const stale = Array.from({ length: CALLS }, closedLeave);
    await notes(first, 'well', await probing());
    for (const leave of stale) await notes(second, 'failing', leave);
    expect(await stateIn(first)).toBe('closed');
  });

  it('counts what a probe does after it has closed it like any other call', async () => {
    const leave = await probing();
    await notes(first, 'well', leave);
    await notes(first, 'failing', leave);
    expect(await stateIn(first)).toBe('closed');
  });
});

describe('once it is well again, a vendor', () => {
  it.each([
    [0, 1],
    [1, 2],
    [2, 4],
    [5, 32],
    [6, 64],
    [1_000_000, 64],
  ])('is given more calls step by step: after %i steps %i at once', async (steps, calls) => {
    await notes(first, 'well', await probing());
    await freeSlots();
    await app.dataSource.query(`UPDATE vendor_breakers SET closed_at = now() - $1 * interval '1 ms'`, [
      steps * RAMP_STEP_MS,
    ]);
    expect(await second.get(VendorRegistry).callsAllowed(['acme'])).toContainEqual({
      vendorId: 'acme',
      enabled: true,
      callsAllowed: calls,
    });
    const slots = [];
    for (let slot = 0; slot <= calls; slot++) slots.push(await take(slot % 2 === 0 ? first : second));
    expect(slots.map((leave) => leave !== undefined)).toEqual([...Array.from({ length: calls }, () => true), false]);
  });

  it('is never given more than it allows', async () => {
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, maxConcurrentOrders: 3 });
    await notes(first, 'well', await probing());
    await app.dataSource.query(`UPDATE vendor_breakers SET closed_at = now() - interval '1 hour'`);
    await freeSlots();
    const slots = [];
    for (let slot = 0; slot < 5; slot++) slots.push(await take(first));
    expect(slots.filter((leave) => leave !== undefined)).toHaveLength(3);
  });

  it('that has never failed is given all it allows', async () => {
    expect(await first.get(VendorRegistry).callsAllowed(['acme'])).toContainEqual({
      vendorId: 'acme',
      enabled: true,
      callsAllowed: 64,
    });
  });
});
