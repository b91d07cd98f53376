import { Injectable } from '@nestjs/common';
import { type Connection, row } from '../database/sql';
import type { ReadGauge, Sample } from '../observability/metrics/exposition';
import type { SharedSource } from '../observability/metrics/shared-metrics';

const NAME = 'holdfast_orders_attention';

/** How many orders an operator is asked about. */
@Injectable()
export class AttentionQueries implements SharedSource {
  readonly gauges: ReadGauge[] = [{ name: NAME, help: 'Orders that need attention' }];

  async count(on: Connection): Promise<Sample[]> {
    const statement = 'SELECT count(*)::integer AS count FROM orders WHERE needs_attention';
    return [{ name: NAME, value: (await row<{ count: number }>(on, statement))!.count }];
  }
}
