import { Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { VendorSeries } from '../observability/metrics/vendor-series';

const OPERATIONS_ON_ORDERS = ['purchase', 'look_up', 'cancel', 'list_orders'] as const;
export type VendorOperation = (typeof OPERATIONS_ON_ORDERS)[number] | 'stock';

/**
 * What a call came to, for all operations alike. `accepted`: the vendor did or has what was asked for; `refused`: it said
 * that it will not, or has it not; `unknown`: there was no whole answer, or none that tells; `not_sent`: it never reached it.
 */
export type VendorCallOutcome = (typeof OUTCOMES)[number];
const OUTCOMES = ['accepted', 'refused', 'unknown', 'not_sent'] as const;

/** A page of a listing and a whole file are both one answer. */
const BUCKETS_SECONDS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300];

/** Calls to vendors, by the ids of registered ones. */
@Injectable()
export class VendorMetrics {
  private readonly requests: Counter<'vendor' | 'operation' | 'outcome'>;
  private readonly durations: Histogram<'vendor' | 'operation'>;

  constructor(
    registry: Registry,
    private readonly series: VendorSeries,
  ) {
    this.requests = new Counter({
      name: 'holdfast_vendor_requests_total',
      help: 'Calls to vendors (purchase, look_up, cancel, list_orders, stock) by what they came to; a whole stock listing is one',
      labelNames: ['vendor', 'operation', 'outcome'],
      registers: [registry],
    });
    this.durations = new Histogram({
      name: 'holdfast_vendor_request_duration_seconds',
      help: 'How long vendors took; of a stock listing what we waited for its pages. Calls that were not sent are left out',
      labelNames: ['vendor', 'operation'],
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
    series.ofOrders.onForget((vendor) => this.forget(vendor, OPERATIONS_ON_ORDERS));
    series.ofPolls.onForget((vendor) => this.forget(vendor, ['stock']));
  }

  count(vendor: string, operation: VendorOperation, outcome: VendorCallOutcome, durationMs: number): void {
    const names = operation === 'stock' ? this.series.ofPolls : this.series.ofOrders;
    const named = { vendor: names.labelOf(vendor), operation };
    this.requests.inc({ ...named, outcome });
    if (outcome !== 'not_sent') this.durations.observe(named, durationMs / 1000);
  }

  private forget(vendor: string, operations: readonly VendorOperation[]): void {
    for (const operation of operations) {
      this.durations.remove({ vendor, operation });
      for (const outcome of OUTCOMES) this.requests.remove({ vendor, operation, outcome });
    }
  }
}
