import { Injectable } from '@nestjs/common';
import type { Connection } from '../../database/sql';
import type { ReadGauge, Sample } from '../../observability/metrics/exposition';
import type { SharedSource } from '../../observability/metrics/shared-metrics';
import { tellingFirst } from '../../observability/metrics/vendor-series';
import { QueueQueries } from './queue-queries';

const DEPTH = 'holdfast_queue_depth';
const OLDEST = 'holdfast_queue_oldest_seconds';
const PENDING = 'holdfast_outbox_pending';
const OUTBOX_OLDEST = 'holdfast_outbox_oldest_seconds';

/** What waits where, as `GET /v1/queues` tells it. Absent beyond about a million undecided orders: counting takes too long. */
@Injectable()
export class QueueMetrics implements SharedSource {
  readonly gauges: ReadGauge[] = [
    { name: DEPTH, help: 'Orders that a worker could take now', labelNames: ['vendor'] },
    { name: OLDEST, help: 'Since the oldest order that is ready or in hand was placed', labelNames: ['vendor'] },
    { name: PENDING, help: 'Messages that are due and have not reached the broker; without one, not been dealt with' },
    { name: OUTBOX_OLDEST, help: 'Since the oldest of the pending messages was due' },
  ];

  constructor(private readonly queues: QueueQueries) {}

  async count(on: Connection): Promise<Sample[]> {
    const vendors = await this.queues.ofVendors(on);
    const outbox = await this.queues.ofOutbox(on);
    return [
      ...tellingFirst(vendors, ({ ready, oldestSeconds }) => ready > 0 || oldestSeconds > 0).flatMap(
        ({ vendorId: vendor, ready, oldestSeconds }) => [
          { name: DEPTH, labels: { vendor }, value: ready },
          { name: OLDEST, labels: { vendor }, value: oldestSeconds },
        ],
      ),
      { name: PENDING, value: outbox.pending },
      { name: OUTBOX_OLDEST, value: outbox.oldestSeconds },
    ];
  }
}
