import { Injectable } from '@nestjs/common';
import { Exposition } from '../../observability/metrics/exposition';
import { tellingFirst } from '../../observability/metrics/vendor-series';
import { DispatchConsumers } from './dispatch-consumers';

const NAME = 'holdfast_consumers';
const LACKING = 'holdfast_vendors_without_queue';

/** Tells how many consumers this process shall have on each vendor's queue, and has. */
@Injectable()
export class ConsumerMetrics {
  constructor(consumers: DispatchConsumers, exposition: Exposition) {
    const help = "Consumers of this process on a vendor's queue: wanted (0 while it may not be called), open";
    const lacking = 'Vendors with something to do whose queue is missing at the broker, or not consumed as it shall be';
    exposition.ask([{ name: LACKING, help: lacking }], async () => [
      { name: LACKING, value: await consumers.lacking() },
    ]);
    exposition.ask([{ name: NAME, help, labelNames: ['vendor', 'state'] }], async () =>
      tellingFirst(await consumers.standing(), ({ wanted, open }) => wanted !== open).flatMap(
        ({ vendorId: vendor, wanted, open }) => [
          { name: NAME, labels: { vendor, state: 'wanted' }, value: wanted },
          { name: NAME, labels: { vendor, state: 'open' }, value: open },
        ],
      ),
    );
  }
}
