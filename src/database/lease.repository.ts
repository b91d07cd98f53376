import { Injectable } from '@nestjs/common';
import { type Connection, row, rows } from './sql';

/** Chores that one process does for all. A lease is not given back: it says when the chore is due again, too. */
@Injectable()
export class LeaseRepository {
  /** Answers whether it was free. */
  async take(on: Connection, name: string, leaseMs: number): Promise<boolean> {
    const taken = await row(
      on,
      `INSERT INTO leases AS l (name, leased_until) VALUES ($1, clock_timestamp() + $2::integer * interval '1 ms')
       ON CONFLICT (name) DO UPDATE SET leased_until = excluded.leased_until WHERE l.leased_until <= clock_timestamp()
       RETURNING name`,
      [name, leaseMs],
    );
    return taken !== undefined;
  }

  async prolong(on: Connection, name: string, byMs: number): Promise<void> {
    const statement = `UPDATE leases SET leased_until = leased_until + $2::integer * interval '1 ms' WHERE name = $1`;
    await rows(on, statement, [name, byMs]);
  }
}
