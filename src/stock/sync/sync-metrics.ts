import { Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { VendorSeries } from '../../observability/metrics/vendor-series';
import type { SyncResult } from './sync-run';

/** Ours (a minute) and the user's (five minutes) line for a vendor's whole stock are edges. */
const BUCKETS_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600];
const ROWS = ['changed', 'unchanged', 'missing', 'rejected'] as const;

@Injectable()
export class SyncMetrics {
  private readonly durations: Histogram<'vendor'>;
  private readonly rows: Counter<'vendor' | 'result'>;

  constructor(
    registry: Registry,
    private readonly series: VendorSeries,
  ) {
    this.durations = new Histogram({
      name: 'holdfast_stock_sync_duration_seconds',
      help: 'Stock syncs that succeeded, from taking the lease to the last row applied',
      labelNames: ['vendor'],
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
    this.rows = new Counter({
      name: 'holdfast_stock_sync_rows_total',
      help: 'Rows of stock listings: changed, unchanged, missing (known SKUs that a complete listing lacks), rejected',
      labelNames: ['vendor', 'result'],
      registers: [registry],
    });
    series.ofPolls.onForget((vendor) => {
      this.durations.remove({ vendor });
      for (const kind of ROWS) this.rows.remove({ vendor, result: kind });
    });
  }

  /** A run that failed may have written rows all the same. */
  count(vendorId: string, result: SyncResult, durationMs: number): void {
    const vendor = this.series.ofPolls.labelOf(vendorId);
    if (result.status === 'succeeded') this.durations.observe({ vendor }, durationMs / 1000);
    for (const kind of ROWS) this.rows.inc({ vendor, result: kind }, result[kind]);
  }
}
