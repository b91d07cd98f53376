import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config';
import { type Connection, rows } from '../../database/sql';
import type { ReadGauge, Sample } from '../../observability/metrics/exposition';
import type { SharedSource } from '../../observability/metrics/shared-metrics';
import { tellingFirst } from '../../observability/metrics/vendor-series';

const AGE = 'holdfast_stock_age_seconds';
const LAST_SUCCESS = 'holdfast_stock_last_success_timestamp_seconds';
const INTERVAL = 'holdfast_stock_sync_interval_seconds';

/** Up to so many vendors are all told of; beyond that those with old stock are. */
const TOLD_MAX = 1_000;
/** Well before anybody is alarmed. */
const OLD_INTERVALS = 2;

interface FreshnessRow {
  vendor: string;
  enabled: boolean;
  interval: number;
  age: number | null;
  at: number | null;
}

/** How old the picture of each vendor's stock is, beside how often it is polled. */
@Injectable()
export class FreshnessQueries implements SharedSource {
  readonly gauges: ReadGauge[] = [
    { name: AGE, help: 'Since the last successful poll began; absent before the first', labelNames: ['vendor'] },
    {
      name: LAST_SUCCESS,
      help: 'When the last successful poll began; absent before the first',
      labelNames: ['vendor'],
    },
    { name: INTERVAL, help: 'How often the vendor is polled; absent while it is disabled', labelNames: ['vendor'] },
  ];

  constructor(private readonly config: Config) {}

  async count(on: Connection): Promise<Sample[]> {
    const found = await rows<FreshnessRow>(
      on,
      `SELECT vendor_id AS vendor, enabled, COALESCE(sync_interval_ms, $1::integer) / 1000.0::float8 AS interval,
              extract(epoch FROM clock_timestamp() - synced_at)::float8 AS age,
              extract(epoch FROM synced_at)::float8 AS at
       FROM vendors`,
      [this.config.stockSyncIntervalMs],
    );
    return tellingFirst(found, isOld, TOLD_MAX).flatMap(({ vendor, enabled, interval, age, at }) => [
      ...(age === null ? [] : [{ name: AGE, labels: { vendor }, value: age }]),
      ...(at === null ? [] : [{ name: LAST_SUCCESS, labels: { vendor }, value: at }]),
      ...(enabled ? [{ name: INTERVAL, labels: { vendor }, value: interval }] : []),
    ]);
  }
}

function isOld({ enabled, interval, age }: FreshnessRow): boolean {
  return enabled && (age === null || age > OLD_INTERVALS * interval);
}
