import { Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { Exposition } from '../observability/metrics/exposition';
import { Pools } from './pools';

const NAME = 'holdfast_db_pool_connections';

/** Tells how the process's connections to the primary stand. */
@Injectable()
export class PoolMetrics {
  constructor(
    private readonly pools: Pools,
    exposition: Exposition,
  ) {
    const help = 'Database connections of this process: open, idle, and requests that wait for one';
    exposition.tell([{ name: NAME, help, labelNames: ['state'] }], () => {
      const sum = (of: (pool: Pool) => number): number =>
        this.pools.all.reduce((total, each) => total + of(poolOf(each) ?? NO_POOL), 0);
      const total = sum(({ totalCount }) => totalCount);
      const idle = sum(({ idleCount }) => idleCount);
      const waiting = sum(({ waitingCount }) => waitingCount);
      return Object.entries({ total, idle, waiting }).map(([state, value]) => ({
        name: NAME,
        labels: { state },
        value,
      }));
    });
  }
}

/** Undefined until the database could be reached for the first time. */
function poolOf(dataSource: DataSource): Pool | undefined {
  return (dataSource.driver as unknown as { master?: Pool }).master;
}

const NO_POOL = { totalCount: 0, idleCount: 0, waitingCount: 0 } as Pool;
