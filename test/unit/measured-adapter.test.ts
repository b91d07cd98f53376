import { Registry } from 'prom-client';
import { MeasuredAdapter } from '../../src/vendors/measured-adapter';
import type { Vendor } from '../../src/vendors/vendor';
import {
  type ListedRow,
  type Poll,
  type PollRequest,
  type VendorAdapter,
  VendorCallFailed,
} from '../../src/vendors/vendor-adapter';
import { VendorMetrics } from '../../src/vendors/vendor-metrics';
import { VendorSeries } from '../../src/observability/metrics/vendor-series';
import { parseMetrics, valueOf } from '../support/metrics';

const vendor = { vendorId: 'acme' } as Vendor;
const ACCEPTED = { outcome: 'accepted', vendorOrderId: 'V', acceptedAt: new Date(0) } as const;
const REFUSED = { outcome: 'refused', reason: 'REFUSED', detail: 'no' } as const;
const PENDING = { outcome: 'pending', detail: 'soon' } as const;
const UNKNOWN = { outcome: 'unknown', detail: '?' } as const;

let registry: Registry;
let answers: Partial<VendorAdapter>;
let adapter: MeasuredAdapter;

beforeEach(() => {
  registry = new Registry();
  answers = {};
  const scripted = new Proxy({ kind: 'rest' }, { get: (_, name: keyof VendorAdapter) => answers[name] ?? 'rest' });
  adapter = new MeasuredAdapter(scripted as VendorAdapter, new VendorMetrics(registry, new VendorSeries()));
});

async function counted(operation: string): Promise<Record<string, number>> {
  const { samples } = parseMetrics(await registry.metrics());
  const found = samples.filter(
    ({ name, labels }) => name === 'holdfast_vendor_requests_total' && labels['operation'] === operation,
  );
  return Object.fromEntries(found.map(({ labels, value }) => [labels['outcome'], value]));
}

async function timed(operation: string): Promise<number> {
  const name = 'holdfast_vendor_request_duration_seconds_count';
  return valueOf(parseMetrics(await registry.metrics()), name, { vendor: 'acme', operation }) ?? 0;
}

it('speaks the dialect of the one it measures', () => {
  expect(adapter.kind).toBe('rest');
});

it.each([
  ['accepted', ACCEPTED],
  ['accepted', PENDING],
  ['refused', REFUSED],
  ['unknown', UNKNOWN],
] as const)('counts and times a purchase that came to: %s', async (outcome, answer) => {
  answers.purchase = () => Promise.resolve(answer);
  expect(await adapter.purchase(vendor, { reference: 'r', sku: 'A', quantity: 1 })).toBe(answer);
  expect([await counted('purchase'), await timed('purchase')]).toEqual([{ [outcome]: 1 }, 1]);
});

it('counts a purchase that was not sent, whose time is not the vendor’s', async () => {
  answers.purchase = () => Promise.resolve({ outcome: 'not_sent', detail: 'refused' });
  await adapter.purchase(vendor, { reference: 'r', sku: 'A', quantity: 1 });
  expect([await counted('purchase'), await timed('purchase')]).toEqual([{ not_sent: 1 }, 0]);
});

it('counts as refused what the vendor does not have, and as accepted what it has not decided', async () => {
  for (const answer of [{ outcome: 'not_found' }, { outcome: 'pending', detail: 'soon' }, ACCEPTED] as const) {
    answers.lookUp = () => Promise.resolve(answer);
    await adapter.lookUp(vendor, 'r');
  }
  expect(await counted('look_up')).toEqual({ refused: 1, accepted: 2 });
  for (const outcome of ['cancelled', 'too_late', 'not_found'] as const) {
    answers.cancel = () => Promise.resolve({ outcome });
    await adapter.cancel(vendor, 'r');
  }
  expect(await counted('cancel')).toEqual({ accepted: 1, refused: 2 });
});

describe('a poll', () => {
  const page: ListedRow[] = [{ sku: 'A', name: 'A', quantity: 1, price: '1.00' }];
  let breaking: AbortController;

  beforeEach(() => (breaking = new AbortController()));

  const request = (): PollRequest => ({
    kind: 'full',
    marks: { position: null, etag: null },
    signal: breaking.signal,
  });

  function lists(pages: AsyncIterable<ListedRow[]>): void {
    const marks = () => ({ position: 'p', etag: 'e' });
    const listing: Poll = { outcome: 'listing', kind: 'full', asOf: null, rowsExpected: 1, pages, marks };
    answers.poll = () => Promise.resolve(listing);
  }

  async function read(): Promise<ListedRow[][]> {
    const poll = await adapter.poll(vendor, request());
    if (poll.outcome !== 'listing') return [];
    expect(poll.marks()).toEqual({ position: 'p', etag: 'e' });
    const pages: ListedRow[][] = [];
    for await (const each of poll.pages) pages.push(each);
    return pages;
  }

  it('is counted once, when its last page has come', async () => {
    let counts: Record<string, number> | undefined;
    lists(
      (async function* () {
        yield page;
        counts = await counted('stock');
        yield page;
      })(),
    );
    expect(await read()).toEqual([page, page]);
    expect([counts, await counted('stock'), await timed('stock')]).toEqual([{}, { accepted: 1 }, 1]);
  });

  it('is counted when nothing has changed', async () => {
    answers.poll = () => Promise.resolve({ outcome: 'unchanged' });
    await read();
    expect(await counted('stock')).toEqual({ accepted: 1 });
  });

  it.each([
    ['unknown', new VendorCallFailed('stock: answered 500')],
    ['refused', new VendorCallFailed('stock: answered 403', { health: 'turnedAway' })],
  ])('is counted as %s where a page fails so', async (outcome, error) => {
    lists(
      (async function* () {
        yield page;
        await Promise.reject(error);
      })(),
    );
    await expect(read()).rejects.toBe(error);
    answers.poll = () => Promise.reject(error);
    await expect(read()).rejects.toBe(error);
    expect(await counted('stock')).toEqual({ [outcome]: 2 });
  });

  it('is counted when it took too long, and not when we stopped', async () => {
    answers.poll = () => Promise.reject(new Error('aborted'));
    breaking.abort();
    await expect(read()).rejects.toThrow('aborted');
    expect(await counted('stock')).toEqual({});
    breaking = new AbortController();
    breaking.abort(new DOMException('late', 'TimeoutError'));
    await expect(read()).rejects.toThrow('aborted');
    expect(await counted('stock')).toEqual({ unknown: 1 });
  });

  it('can be left while a page hangs', async () => {
    let left = false;
    lists({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return: () => {
          left = true;
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    });
    const poll = await adapter.poll(vendor, request());
    const iterator = poll.outcome === 'listing' ? poll.pages[Symbol.asyncIterator]() : undefined;
    void iterator!.next();
    expect(await iterator!.return!(undefined)).toEqual({ done: true, value: undefined });
    expect([left, await counted('stock')]).toEqual([true, {}]);
  });
});
