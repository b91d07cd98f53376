import { Injectable } from '@nestjs/common';
import type { Connection } from '../../database/sql';
import { type ReadGauge, type Sample, UNKNOWN } from '../../observability/metrics/exposition';
import type { SharedSource } from '../../observability/metrics/shared-metrics';
import { DeadLetterQueries } from './dead-letter-queries';

const NAME = 'holdfast_dead_letters';

/** How many dead letters wait for a decision. */
@Injectable()
export class DeadLetterMetrics implements SharedSource {
  readonly gauges: ReadGauge[] = [
    { name: NAME, help: `Open dead letters; ${UNKNOWN} of those that name no vendor`, labelNames: ['vendor'] },
  ];

  constructor(private readonly letters: DeadLetterQueries) {}

  async count(on: Connection): Promise<Sample[]> {
    const open = await this.letters.countOpen(on);
    return open.map(({ vendorId, count }) => ({ name: NAME, labels: { vendor: vendorId ?? UNKNOWN }, value: count }));
  }
}
