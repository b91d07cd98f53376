import { Injectable } from '@nestjs/common';
import type { Connection } from '../../database/sql';
import type { ReadGauge, Sample } from '../../observability/metrics/exposition';
import type { SharedSource } from '../../observability/metrics/shared-metrics';
import { CaseRepository } from './case.repository';

const NAME = 'holdfast_reconciliation_cases_open';

/** How many cases wait for a decision. */
@Injectable()
export class CaseMetrics implements SharedSource {
  readonly gauges: ReadGauge[] = [{ name: NAME, help: 'Reconciliation cases that wait for a decision' }];

  constructor(private readonly cases: CaseRepository) {}

  async count(on: Connection): Promise<Sample[]> {
    return [{ name: NAME, value: await this.cases.countOpen(on) }];
  }
}
