import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { databaseFailure } from './database-errors';
import { ListTooSlow } from './lists.errors';
import type { Connection } from './sql';

/** Connections that only placing takes: neither lists, nor outcomes, nor strangers keep an order from being placed. */
export class PlacingDataSource extends DataSource {}

/** For claims, what came of them, the messages between, and the heartbeats of leases: what must not wait for anything else. */
export class OutcomesDataSource extends DataSource {}

/** A few connections for lists and searches, which may read much: each statement has two seconds. */
export class ListsDataSource extends DataSource {
  /** Throws `ListTooSlow`. */
  read<Result>(work: (on: Connection) => Promise<Result>): Promise<Result> {
    return listOn(this.manager, work);
  }
}

/** Throws `ListTooSlow`. */
export async function listOn<Result>(on: Connection, work: (on: Connection) => Promise<Result>): Promise<Result> {
  try {
    return await work(on);
  } catch (error) {
    if (databaseFailure(error) === 'overdue') throw new ListTooSlow({ cause: error });
    throw error;
  }
}

export type Mode = 'api' | 'worker' | 'all';

/** How many connections there are for what; 0: for that the process takes from the rest. */
export interface Shares {
  placing: number;
  outcomes: number;
  lists: number;
  rest: number;
}

/** Two each, of which one may wait: fewer connections than this are not divided. */
const DIVIDED_MIN = 8;
const SHARE_MIN = 2;
/** Both cores of a small server have work with these. */
const LISTS_MAX = 3;

/** Divides `DATABASE_POOL_MAX`. A worker places nothing and lists nothing; an API has no outcomes to record. */
export function sharesOf(mode: Mode, total: number): Shares {
  const share = (of: number): number => Math.max(SHARE_MIN, Math.floor(total * of));
  const none = { placing: 0, outcomes: 0, lists: 0 };
  const lists = Math.min(LISTS_MAX, share(0.2));
  const shares = {
    api: { ...none, placing: share(0.3), lists },
    worker: { ...none, outcomes: share(0.4) },
    all: { placing: share(0.2), outcomes: share(0.2), lists },
  };
  const { placing, outcomes, lists: listing } = total < DIVIDED_MIN ? none : shares[mode];
  return { placing, outcomes, lists: listing, rest: total - placing - outcomes - listing };
}

/** All connections of this process to the primary. */
@Injectable()
export class Pools implements OnApplicationShutdown {
  /** Each once. */
  readonly all: DataSource[];

  constructor(
    private readonly rest: DataSource,
    placing: PlacingDataSource,
    outcomes: OutcomesDataSource,
    lists: ListsDataSource,
  ) {
    this.all = [...new Set<DataSource>([rest, placing, outcomes, lists])];
  }

  get areOpen(): boolean {
    return this.all.every(({ isInitialized }) => isInitialized);
  }

  async open(): Promise<void> {
    for (const pool of this.all) if (!pool.isInitialized) await pool.initialize();
  }

  /** The rest is closed by the module that made it. */
  async onApplicationShutdown(): Promise<void> {
    for (const pool of this.all) if (pool !== this.rest && pool.isInitialized) await pool.destroy();
  }
}
