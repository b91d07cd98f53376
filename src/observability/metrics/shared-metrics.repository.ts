import { Injectable } from '@nestjs/common';
import { type Connection, row, rows } from '../../database/sql';
import type { Sample } from './exposition';

/** The one row that says what the last count found. */
@Injectable()
export class SharedMetricsRepository {
  async write(on: Connection, samples: Sample[]): Promise<void> {
    await rows(
      on,
      `INSERT INTO shared_metrics (counted_at, samples) VALUES (clock_timestamp(), $1)
       ON CONFLICT (only_row) DO UPDATE SET counted_at = excluded.counted_at, samples = excluded.samples`,
      [JSON.stringify(samples)],
    );
  }

  /** None where the last count is older. */
  async read(on: Connection, ageMsMax: number): Promise<Sample[]> {
    const found = await row<{ samples: Sample[] }>(
      on,
      `SELECT samples FROM shared_metrics WHERE counted_at > clock_timestamp() - $1::integer * interval '1 ms'`,
      [ageMsMax],
    );
    return found?.samples ?? [];
  }
}
