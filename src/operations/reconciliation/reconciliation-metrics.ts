import { Injectable } from '@nestjs/common';
import type { Connection } from '../../database/sql';
import type { ReadGauge, Sample } from '../../observability/metrics/exposition';
import type { SharedSource } from '../../observability/metrics/shared-metrics';
import { ProgressRepository, type ReconciliationProgress } from './progress.repository';

const SUCCEEDED_AT = 'holdfast_reconciliation_last_success_timestamp_seconds';
const BEHIND = 'holdfast_reconciliation_behind_seconds';
const SKIPPED = 'holdfast_reconciliation_orders_skipped';
const labelNames = ['vendor'];

/** How old what has been compared is. Zeros are left out, so that a vendor without orders costs one line. */
@Injectable()
export class ReconciliationMetrics implements SharedSource {
  readonly gauges: ReadGauge[] = [
    {
      name: SUCCEEDED_AT,
      help: 'End of the last regular comparison with the vendor that said all there was to say; at first, its registration',
      labelNames,
    },
    { name: BEHIND, help: 'Age of the oldest order that was not compared yet; absent where there is none', labelNames },
    {
      name: SKIPPED,
      help: 'Orders passed over within a day, too old to be compared; absent where there are none',
      labelNames,
    },
  ];

  constructor(private readonly progress: ProgressRepository) {}

  async count(on: Connection): Promise<Sample[]> {
    return (await this.progress.list(on)).flatMap(samplesOf);
  }
}

function samplesOf({ vendorId, succeededAt, behindSeconds, skipped }: ReconciliationProgress): Sample[] {
  const labels = { vendor: vendorId };
  return [
    { name: SUCCEEDED_AT, labels, value: succeededAt },
    ...(behindSeconds > 0 ? [{ name: BEHIND, labels, value: behindSeconds }] : []),
    ...(skipped > 0 ? [{ name: SKIPPED, labels, value: skipped }] : []),
  ];
}
