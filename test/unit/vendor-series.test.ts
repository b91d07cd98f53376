import { Registry } from 'prom-client';
import { MessageMetrics } from '../../src/messaging/message-metrics';
import { OTHERS, tellingFirst, VendorNames, VendorSeries } from '../../src/observability/metrics/vendor-series';
import { SyncMetrics } from '../../src/stock/sync/sync-metrics';
import { VendorMetrics } from '../../src/vendors/vendor-metrics';

const IDLE_MS = 600_000;
const VENDORS = Array.from({ length: 1_000 }, (_, index) => `vendor-with-a-name-${index}`);

describe('the vendors that have series of their own', () => {
  let now: number;
  let names: VendorNames;
  let forgotten: string[];

  beforeEach(() => {
    now = 0;
    forgotten = [];
    names = new VendorNames(2, () => now);
    names.onForget((vendor) => forgotten.push(vendor));
  });

  it('are all while there is room, however long they are not counted', () => {
    expect(['a', 'b'].map((vendor) => names.labelOf(vendor))).toEqual(['a', 'b']);
    now = 100 * IDLE_MS;
    expect([names.labelOf('a'), forgotten]).toEqual(['a', []]);
  });

  it('keep their names while they are counted, and further ones are counted together', () => {
    for (const vendor of ['a', 'b']) names.labelOf(vendor);
    for (now = 0; now < 3 * IDLE_MS; now += IDLE_MS / 2) {
      expect(['a', 'b', 'c', 'd'].map((vendor) => names.labelOf(vendor))).toEqual(['a', 'b', OTHERS, OTHERS]);
    }
    expect(forgotten).toEqual([]);
  });

  it('give their place to the next when they were not counted for ten minutes, the idlest first', () => {
    names.labelOf('a');
    now = 1;
    names.labelOf('b');
    now = IDLE_MS;
    expect([names.labelOf('c'), names.labelOf('d'), forgotten]).toEqual(['c', OTHERS, ['a']]);
  });
});

describe('what a process tells of 1,000 vendors', () => {
  const bytes = async (registry: Registry) => Buffer.byteLength(await registry.metrics());

  it('that are polled is less than half a megabyte', async () => {
    const registry = new Registry();
    const series = new VendorSeries();
    const [syncs, calls] = [new SyncMetrics(registry, series), new VendorMetrics(registry, series)];
    const result = { status: 'succeeded', changed: 1, unchanged: 1, missing: 1, rejected: 1 };
    for (const vendor of VENDORS) {
      syncs.count(vendor, result as Parameters<SyncMetrics['count']>[1], 10);
      calls.count(vendor, 'stock', 'accepted', 10);
    }
    expect(await bytes(registry)).toBeLessThan(500_000);
  });

  it('that have orders too is less than a megabyte, and says of each outcome how often it was', async () => {
    const registry = new Registry();
    const series = new VendorSeries();
    const [messages, calls] = [new MessageMetrics(registry, series), new VendorMetrics(registry, series)];
    for (const vendor of VENDORS) {
      messages.taken(vendor, Date.now());
      messages.settled(vendor, 'done', 10);
      calls.count(vendor, 'purchase', 'accepted', 10);
      calls.count(vendor, 'look_up', 'unknown', 10);
    }
    expect(await bytes(registry)).toBeLessThan(1_000_000);
    const { values } = (await registry.getSingleMetric('holdfast_vendor_requests_total')!.get()) as {
      values: { value: number; labels: Record<string, string> }[];
    };
    const purchases = values.filter(({ labels }) => labels['operation'] === 'purchase');
    expect(purchases.reduce((sum, { value }) => sum + value, 0)).toBe(VENDORS.length);
    expect(purchases.find(({ labels }) => labels['vendor'] === OTHERS)!.value).toBe(VENDORS.length - 100);
  });
});

it('a vendor whose name is given away has no series any more, in any of its metrics', async () => {
  const registry = new Registry();
  const series = new VendorSeries();
  let now = 0;
  Object.assign(series, { ofOrders: new VendorNames(1, () => now), ofPolls: new VendorNames(1, () => now) });
  const messages = new MessageMetrics(registry, series);
  const calls = new VendorMetrics(registry, series);
  const syncs = new SyncMetrics(registry, series);
  const result = { status: 'succeeded', changed: 1, unchanged: 1, missing: 1, rejected: 1 };
  for (const vendor of ['first', 'second']) {
    messages.taken(vendor, Date.now());
    for (const outcome of ['done', 'dead', 'interrupted'] as const) messages.settled(vendor, outcome, 1);
    for (const operation of ['purchase', 'look_up', 'cancel', 'stock'] as const)
      for (const outcome of ['accepted', 'refused', 'unknown', 'not_sent'] as const)
        calls.count(vendor, operation, outcome, 1);
    syncs.count(vendor, result as Parameters<SyncMetrics['count']>[1], 10);
    now += IDLE_MS;
  }
  const text = await registry.metrics();
  expect(text).toContain('vendor="second"');
  expect(text).not.toContain('vendor="first"');
});

describe('the vendors that a gauge tells of', () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

  it('are all where they are few', () => expect(tellingFirst(numbers(100), () => false)).toHaveLength(100));

  it('are those that tell something, and others as far as there is room', () => {
    const told = tellingFirst(numbers(5_000), (each) => each >= 4_980);
    expect(told.slice(0, 20)).toEqual(numbers(5_000).slice(4_980));
    expect(told).toHaveLength(100);
  });

  it('are never more than a thousand', () => expect(tellingFirst(numbers(5_000), () => true)).toHaveLength(1_000));
});
