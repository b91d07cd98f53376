import { Injectable } from '@nestjs/common';
import { Histogram, Registry } from 'prom-client';
import { VendorSeries } from '../observability/metrics/vendor-series';

/** What is promised, a second from the commit to the vendor's answer without the vendor's own time, is an edge of both. */
const WAIT_BUCKETS_SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 300, 3600];
const OUTCOMES = ['done', 'dead', 'interrupted'] as const;
const PROCESSING_BUCKETS_SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];

/** How messages fare, by their vendor's queue. */
@Injectable()
export class MessageMetrics {
  private readonly waits: Histogram<'vendor'>;
  private readonly processing: Histogram<'vendor' | 'outcome'>;

  constructor(
    registry: Registry,
    private readonly series: VendorSeries,
  ) {
    this.waits = new Histogram({
      name: 'holdfast_message_wait_seconds',
      help: 'From the moment a message was due to the moment a consumer had it in hand',
      labelNames: ['vendor'],
      buckets: WAIT_BUCKETS_SECONDS,
      registers: [registry],
    });
    this.processing = new Histogram({
      name: 'holdfast_message_processing_seconds',
      help: "In a consumer's hand, the vendor's time and every try included: done, dead (a dead letter) or interrupted",
      labelNames: ['vendor', 'outcome'],
      buckets: PROCESSING_BUCKETS_SECONDS,
      registers: [registry],
    });
    series.ofOrders.onForget((vendor) => {
      this.waits.remove({ vendor });
      for (const outcome of OUTCOMES) this.processing.remove({ vendor, outcome });
    });
  }

  /** `dueAtMs` is by the database's clock, and ours may be behind it. */
  taken(vendor: string, dueAtMs: number): void {
    this.waits.observe({ vendor: this.series.ofOrders.labelOf(vendor) }, Math.max(0, Date.now() - dueAtMs) / 1000);
  }

  settled(vendor: string, outcome: (typeof OUTCOMES)[number], durationMs: number): void {
    this.processing.observe({ vendor: this.series.ofOrders.labelOf(vendor), outcome }, durationMs / 1000);
  }
}
