import { Injectable } from '@nestjs/common';
import { type Connection, row, rows } from '../../database/sql';
import { jsonbOf } from '../../database/storable';
import type { Violation } from './invariants';
import type { Violations } from './violation-list';

/** `recent`: what has open holds or was placed lately, and what earlier counts had named. */
export type CountScope = 'recent' | 'everything';

/** What one count found. */
export interface Count {
  /** Our clock: when it began. */
  checkedAt: Date;
  ageMs: number;
  violationCount: number;
  /** The first of them. */
  violations: Violation[];
}

const COLUMNS = `checked_at AS "checkedAt", violation_count AS "violationCount", violations,
  extract(epoch FROM clock_timestamp() - checked_at)::float8 * 1000 AS "ageMs"`;

/** The last counts, for everybody to read. */
@Injectable()
export class CountRepository {
  /** The last one of any scope, or of this one. */
  last(on: Connection, scope?: CountScope): Promise<Count | undefined> {
    return row(
      on,
      `SELECT ${COLUMNS} FROM consistency_counts WHERE $1::varchar IS NULL OR scope = $1
       ORDER BY checked_at DESC LIMIT 1`,
      [scope ?? null],
    );
  }

  async now(on: Connection): Promise<Date> {
    return (await row<{ now: Date }>(on, 'SELECT clock_timestamp() AS now'))!.now;
  }

  /** Gives way to a count that began later. */
  async store(on: Connection, scope: CountScope, checkedAt: Date, { total, listed }: Violations): Promise<void> {
    await rows(
      on,
      `INSERT INTO consistency_counts AS c (scope, checked_at, violation_count, violations) VALUES ($1, $2, $3, $4)
       ON CONFLICT (scope) DO UPDATE SET checked_at = excluded.checked_at, violation_count = excluded.violation_count,
         violations = excluded.violations WHERE c.checked_at <= excluded.checked_at`,
      [scope, checkedAt, total, jsonbOf(listed)],
    );
  }
}
