import { NoFreeSlot } from '../../src/orders/fulfilment/orders-in-hand';
import { SlotQueue } from '../../src/orders/fulfilment/slot-queue';

let queue: SlotQueue;
let stopping: AbortController;
/** Free slots by vendor, as the database knows them. */
let free: Record<string, number>;
let asked: number;
let taken: string[];
let failed: string[];

beforeEach(() => {
  jest.useFakeTimers();
  [queue, stopping, free, asked, taken, failed] = [new SlotQueue(), new AbortController(), {}, 0, [], []];
});

afterEach(() => {
  stopping.abort();
  jest.useRealTimers();
});

/** A consumer with a message of the vendor; a slot that it takes stays taken. */
async function waits(vendorId: string, name: string): Promise<void> {
  const ask = () => {
    asked += 1;
    if (!free[vendorId]) return Promise.reject(new NoFreeSlot());
    free[vendorId] -= 1;
    return Promise.resolve(name);
  };
  try {
    taken.push(await queue.taken(vendorId, ask, stopping.signal));
  } catch (error) {
    failed.push(`${name}: ${error instanceof NoFreeSlot ? 'no slot' : (error as Error).name}`);
  }
}

const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);
const settled = () => passes(0);

function wait(vendorId: string, names: string[]): void {
  for (const name of names) void waits(vendorId, name);
}

it('asks at once where nobody waits, and side by side', async () => {
  free.acme = 3;
  wait('acme', ['a', 'b', 'c']);
  await settled();
  expect([taken, asked]).toEqual([['a', 'b', 'c'], 3]);
});

it('asks a few times a second for each vendor, however many wait', async () => {
  for (let vendor = 0; vendor < 10; vendor++)
    wait(
      `vendor-${vendor}`,
      Array.from({ length: 8 }, (_, index) => `v${vendor}-${index}`),
    );
  await passes(2000);
  asked = 0;
  await passes(4000);
  expect(asked).toBeGreaterThanOrEqual(10 * 4 * 2);
  expect(asked).toBeLessThanOrEqual(10 * 4 * 5);
});

it('takes a slot that one of our own calls has freed without waiting, the first come first', async () => {
  wait('acme', ['a', 'b', 'c']);
  await passes(3000);
  for (const name of ['a', 'b', 'c']) {
    free.acme = 1;
    queue.freed('acme');
    await settled();
    expect(taken.at(-1)).toBe(name);
  }
});

it('takes all that are free, and is not woken by another vendor’s', async () => {
  wait('acme', ['a', 'b', 'c']);
  wait('other', ['d']);
  await passes(3000);
  free = { acme: 2, other: 1 };
  queue.freed('acme');
  await settled();
  expect(taken).toEqual(['a', 'b']);
});

it('notices within half a second what another worker has freed', async () => {
  wait('acme', ['a']);
  await passes(3000);
  free.acme = 1;
  await passes(500);
  expect(taken).toEqual(['a']);
});

it('lets nobody who comes later pass those who wait', async () => {
  wait('acme', ['a', 'b']);
  await settled();
  free.acme = 1;
  wait('acme', ['late']);
  await settled();
  expect(taken).toEqual([]);
  queue.freed('acme');
  await settled();
  expect(taken).toEqual(['a']);
});

it('is not asleep to what is freed while it asks', async () => {
  let answer = (_: boolean): void => undefined;
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      asked += 1;
      answer = (isFree) => (isFree ? resolve('a') : reject(new NoFreeSlot()));
    });
  void queue.taken('acme', ask, stopping.signal).then((name) => taken.push(name));
  await settled();
  answer(false);
  await passes(50);
  expect(asked).toBe(2);
  queue.freed('acme');
  answer(false);
  await settled();
  expect(asked).toBe(3);
  answer(true);
  await settled();
  expect(taken).toEqual(['a']);
});

it('gives up after a while, so that another worker may take the message', async () => {
  wait('acme', ['a', 'b', 'c']);
  await passes(7000);
  expect(failed).toEqual([]);
  await passes(8500);
  expect(failed.toSorted()).toEqual(['a: no slot', 'b: no slot', 'c: no slot']);
  free.acme = 1;
  wait('acme', ['d']);
  await settled();
  expect(taken).toEqual(['d']);
});

it('does not give up while one after the other gets a slot, however long that takes', async () => {
  const names = Array.from({ length: 10 }, (_, index) => String(index));
  wait('acme', names);
  for (const name of names) {
    await passes(6000);
    free.acme = 1;
    queue.freed('acme');
    await settled();
    expect(taken.at(-1)).toBe(name);
  }
  expect(failed).toEqual([]);
});

it('ends at once, for all who wait, when the process stops', async () => {
  wait('acme', ['a', 'b']);
  wait('other', ['c']);
  await settled();
  stopping.abort();
  await settled();
  expect(failed.toSorted()).toEqual(['a: AbortError', 'b: AbortError', 'c: AbortError']);
});

it('goes on with the next where one fails for a reason of its own', async () => {
  wait('acme', ['a']);
  await settled();
  void queue.taken('acme', () => Promise.reject(new Error('shut')), stopping.signal).catch(() => failed.push('shut'));
  wait('acme', ['b']);
  await settled();
  free.acme = 2;
  queue.freed('acme');
  await settled();
  expect([taken, failed]).toEqual([['a', 'b'], ['shut']]);
});
