import { Injectable } from '@nestjs/common';
import type { Connection } from '../../database/sql';
import type { ReadGauge, Sample } from '../../observability/metrics/exposition';
import type { SharedSource } from '../../observability/metrics/shared-metrics';
import { CountRepository } from './count.repository';

const NAME = 'holdfast_consistency_violations';

/** An older count tells nothing of how it is: one is made twice a minute, and takes some seconds. */
const AGE_MS_MAX = 120_000;

/** What the last count found; nothing is told where nothing was counted yet, or not for long. */
@Injectable()
export class ConsistencyMetrics implements SharedSource {
  readonly gauges: ReadGauge[] = [{ name: NAME, help: 'Violations of what is always true, by the last count' }];

  constructor(private readonly counts: CountRepository) {}

  async count(on: Connection): Promise<Sample[]> {
    const last = await this.counts.last(on);
    return last && last.ageMs <= AGE_MS_MAX ? [{ name: NAME, value: last.violationCount }] : [];
  }
}
