import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Exposition } from '../../observability/metrics/exposition';
import { tellingFirst } from '../../observability/metrics/vendor-series';
import type { BreakerState } from '../vendor';
import { BreakerRepository } from './breaker.repository';

const NAME = 'holdfast_vendor_breaker_state';
const VALUE_OF: Record<BreakerState, number> = { closed: 0, halfOpen: 1, open: 2 };

/** Tells the state of the vendors' breakers, which is the same in all processes. */
@Injectable()
export class BreakerMetrics {
  constructor(dataSource: DataSource, repository: BreakerRepository, exposition: Exposition) {
    const help = 'Whether a vendor is left alone: 0 closed, 1 half open, 2 open; operation orders or stock';
    exposition.ask([{ name: NAME, help, labelNames: ['vendor', 'operation'] }], async () => {
      const states = await repository.states(dataSource.manager);
      const isOpen = (state: BreakerState | null) => state !== null && state !== 'closed';
      const told = tellingFirst(states, ({ orders, stock }) => isOpen(orders) || isOpen(stock));
      return told.flatMap(({ vendorId: vendor, ...byOperation }) =>
        Object.entries(byOperation).flatMap(([operation, state]) =>
          state === null ? [] : [{ name: NAME, labels: { vendor, operation }, value: VALUE_OF[state] }],
        ),
      );
    });
  }
}
