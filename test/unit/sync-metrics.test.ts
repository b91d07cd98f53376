import { Registry } from 'prom-client';
import { SyncMetrics } from '../../src/stock/sync/sync-metrics';
import { VendorSeries } from '../../src/observability/metrics/vendor-series';
import type { SyncResult } from '../../src/stock/sync/sync-run';
import { parseMetrics, valueOf } from '../support/metrics';

const registry = new Registry();
const metrics = new SyncMetrics(registry, new VendorSeries());
const counts = { changed: 1, unchanged: 2, missing: 3, rejected: 4 };
const resultOf = (status: SyncResult['status']) => ({ status, seen: 7, ...counts }) as SyncResult;
const value = async (name: string, labels: Record<string, string> = {}) =>
  valueOf(parseMetrics(await registry.metrics()), name, { vendor: 'acme', ...labels });

it('times syncs that succeeded, and counts the rows of all', async () => {
  metrics.count('acme', resultOf('succeeded'), 1500);
  metrics.count('acme', resultOf('failed'), 10);
  expect(await value('holdfast_stock_sync_duration_seconds_count')).toBe(1);
  expect(await value('holdfast_stock_sync_duration_seconds_sum')).toBe(1.5);
  for (const [result, count] of Object.entries(counts))
    expect(await value('holdfast_stock_sync_rows_total', { result })).toBe(2 * count);
});
