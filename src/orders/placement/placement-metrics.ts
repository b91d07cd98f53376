import { Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { Refusal } from '../../http/refusal';
import { UNKNOWN } from '../../observability/metrics/exposition';
import { VendorSeries } from '../../observability/metrics/vendor-series';
import { parseProductId } from '../../stock/product';
import { StockStale } from '../../stock/stock.errors';
import { VendorDisabled } from '../../vendors/vendors.errors';
import { InsufficientStock, Overloaded } from '../orders.errors';
import type { Placed } from './answers';
import type { Settled } from './lane';
import type { Asked } from './verdict';

const RESULTS = ['created', 'replayed', 'insufficient', 'rejected', 'error'] as const;
type Result = (typeof RESULTS)[number];

const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200];

/**
 * Counts what placement decides, a batch at a time: label look-ups for each order would show in its cost. Each line of a
 * checkout counts, for its vendor.
 */
@Injectable()
export class PlacementMetrics {
  private readonly placed: Counter<'vendor' | 'result'>;
  private readonly batchSizes: Histogram;
  /** Vendors of products that exist; who asks for others must not make up series. */
  private readonly vendors = new Set<string>();

  constructor(
    registry: Registry,
    private readonly series: VendorSeries,
  ) {
    this.placed = new Counter({
      name: 'holdfast_orders_placed_total',
      help: 'Orders asked for: created, replayed, insufficient (stock), rejected (otherwise), error; checkouts by line',
      labelNames: ['vendor', 'result'],
      registers: [registry],
    });
    series.ofOrders.onForget((vendor) => {
      for (const result of RESULTS) this.placed.remove({ vendor, result });
    });
    this.batchSizes = new Histogram({
      name: 'holdfast_placement_batch_size',
      help: 'Lines that are placed together, in one transaction',
      buckets: BATCH_BUCKETS,
      registers: [registry],
    });
  }

  /** What became of a batch, each in its place. */
  count(batch: Asked[], settled: Settled<Placed>[]): void {
    const counts = new Map<Result, Map<string, number>>();
    let lines = 0;
    for (const [index, asked] of batch.entries()) {
      const result = resultOf(settled[index]!);
      const byVendor = counts.get(result) ?? new Map<string, number>();
      counts.set(result, byVendor);
      for (const { productId } of asked.lines) {
        const vendor = this.vendorOf(productId, provesProducts(settled[index]!));
        byVendor.set(vendor, (byVendor.get(vendor) ?? 0) + 1);
      }
      lines += asked.lines.length;
    }
    this.batchSizes.observe(lines);
    for (const [result, byVendor] of counts)
      for (const [vendor, count] of byVendor) this.placed.inc({ vendor, result }, count);
  }

  /** A request that came to no batch. */
  turnedAway({ lines }: Asked): void {
    for (const { productId } of lines) this.placed.inc({ vendor: this.vendorOf(productId, false), result: 'error' });
  }

  private vendorOf(productId: string, exists: boolean): string {
    const vendorId = parseProductId(productId)?.vendorId;
    if (vendorId === undefined) return UNKNOWN;
    if (exists) this.vendors.add(vendorId);
    return this.vendors.has(vendorId) ? this.series.ofOrders.labelOf(vendorId) : UNKNOWN;
  }
}

function resultOf(settled: Settled<Placed>): Result {
  if ('result' in settled) return settled.result.replayed ? 'replayed' : 'created';
  const { error } = settled;
  if (error instanceof InsufficientStock) return error.headers['idempotency-replayed'] ? 'replayed' : 'insufficient';
  return error instanceof Refusal && !(error instanceof Overloaded) ? 'rejected' : 'error';
}

/** Nobody is answered so about a product that does not exist. */
function provesProducts(settled: Settled<Placed>): boolean {
  if ('result' in settled) return true;
  return [InsufficientStock, StockStale, VendorDisabled].some((refusal) => settled.error instanceof refusal);
}
