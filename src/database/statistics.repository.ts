import { Injectable } from '@nestjs/common';
import { type Connection, rows } from './sql';

/** A table of so many pages (8 KiB each) is read whole as quickly as by an index. */
const PAGES_MIN = 4;
/** How many times as large as its statistics say. */
const GROWN_TIMES = 4;
/** The plans of a table with statistics of so many pages (80 MB) no longer change; the rest is autovacuum's. */
const PAGES_MAX = 10_000;

@Injectable()
export class StatisticsRepository {
  /** Our tables that have outgrown their statistics. Those that autovacuum leaves alone, staged listings, are analysed when staged. */
  async findGrown(on: Connection): Promise<string[]> {
    const found = await rows<{ name: string }>(
      on,
      `SELECT oid::regclass::text AS name
       FROM (SELECT oid, relpages FROM pg_class
             WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relpages < ${PAGES_MAX}
               AND NOT COALESCE(reloptions @> ARRAY['autovacuum_enabled=false'], false) AND pg_has_role(relowner, 'USAGE')
             OFFSET 0) ours
       WHERE pg_relation_size(oid) / current_setting('block_size')::integer >= GREATEST(${PAGES_MIN}, ${GROWN_TIMES} * relpages)`,
    );
    return found.map(({ name }) => name);
  }

  /** Waits for nobody: one that is being vacuumed is analysed at another time. */
  async analyze(on: Connection, table: string): Promise<void> {
    await rows(on, `ANALYZE (SKIP_LOCKED) ${table}`);
  }
}
