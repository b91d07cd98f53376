import { Injectable } from '@nestjs/common';
import type { Connection } from '../../database/sql';
import type { ReadGauge, Sample } from '../../observability/metrics/exposition';
import type { SharedSource } from '../../observability/metrics/shared-metrics';
import { CountRepository } from './count.repository';

const NAME = 'holdfast_consistency_violations';

/** What the last count found; nothing is told where nothing was counted yet. */
@Injectable()
export class ConsistencyMetrics implements SharedSource {
  readonly gauges: ReadGauge[] = [{ name: NAME, help: 'Violations of what is always true, by the last count' }];

  constructor(private readonly counts: CountRepository) {}

  async count(on: Connection): Promise<Sample[]> {
    const last = await this.counts.last(on);
    return last ? [{ name: NAME, value: last.violationCount }] : [];
  }
}
