import { Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { Exposition } from '../observability/metrics/exposition';

const NAME = 'holdfast_db_pool_connections';

/** Tells how the process's connections to the primary stand. */
@Injectable()
export class PoolMetrics {
  constructor(
    private readonly dataSource: DataSource,
    exposition: Exposition,
  ) {
    const help = 'Database connections of this process: open, idle, and requests that wait for one';
    exposition.tell([{ name: NAME, help, labelNames: ['state'] }], () => {
      const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.pool ?? NO_POOL;
      return Object.entries({ total, idle, waiting }).map(([state, value]) => ({
        name: NAME,
        labels: { state },
        value,
      }));
    });
  }

  /** Undefined until the database could be reached for the first time. */
  private get pool(): Pool | undefined {
    return (this.dataSource.driver as unknown as { master?: Pool }).master;
  }
}

const NO_POOL = { totalCount: 0, idleCount: 0, waitingCount: 0 };
