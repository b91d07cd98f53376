import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Connection } from '../../database/sql';
import { CountTookTooLong } from './consistency.errors';
import { MESSAGE_INVARIANT, type Violation } from './invariants';
import { type Checked, type Place, RowCheckRepository } from './row-check.repository';
import { ViolationList, type Violations } from './violation-list';

/** Rows looked at by one statement: some ten milliseconds. */
const CHUNK_ROWS = 5000;
/** Orders younger than this are looked at by the count of what is recent: it is made more often. */
const RECENT_MS = 120_000;
/** SQLSTATE of a statement that took longer than it may. */
const CANCELED = '57014';

/** How long a count may take, and how much of that it works. */
export interface Pace {
  msMax: number;
  /** After each statement it rests so many times as long as that took, until half of its time has passed. */
  restFactor: number;
  /** Ends it. */
  signal?: AbortSignal;
}

/** Counts the invariants: row by row in bounded chunks, without locks, and no longer than it may. */
@Injectable()
export class Counting {
  constructor(
    private readonly dataSource: DataSource,
    private readonly checks: RowCheckRepository,
  ) {}

  /** Every row. Throws `CountTookTooLong`. */
  async everything(pace: Pace): Promise<ViolationList> {
    const count = new CountInHand(this.dataSource, pace);
    for (const vendorId of await count.vendorIds())
      await count.walk((on, after) => this.checks.productsAfter(on, vendorId, after, CHUNK_ROWS));
    await count.walk((on, after) => this.checks.ordersAfter(on, after, CHUNK_ROWS));
    await count.walk((on, after) => this.checks.checkoutsAfter(on, after, CHUNK_ROWS));
    return count.violations;
  }

  /**
   * What has open holds, what was placed lately, and what is `named` by an earlier count. Throws `CountTookTooLong`.
   */
  async recent(named: Violation[], pace: Pace): Promise<ViolationList> {
    const count = new CountInHand(this.dataSource, pace);
    for (const vendorId of await count.vendorIds()) {
      await count.walk(async (on, after) => {
        const promised = await this.checks.promisedAfter(on, vendorId, after, CHUNK_ROWS);
        if (promised.until !== undefined) {
          count.violations.add(await this.checks.holding(on, vendorId, after, promised.until));
        }
        return promised;
      });
    }
    await this.placedLately(count);
    await this.again(count, named);
    return count.violations;
  }

  private async placedLately(count: CountInHand): Promise<void> {
    for (let after: Place | undefined; ;) {
      const orders = await count.look((on) => this.checks.placedWithin(on, RECENT_MS, after, CHUNK_ROWS));
      if (orders.until === undefined) return;
      await count.look((on) => this.checks.products(on, orders.productIds));
      after = orders.until;
    }
  }

  private async again(count: CountInHand, named: Violation[]): Promise<void> {
    const ofTables = named.filter(({ invariant }) => invariant !== MESSAGE_INVARIANT);
    const productIds = distinct(ofTables.map(({ productId }) => productId));
    const orderIds = distinct(ofTables.map(({ orderId }) => orderId));
    if (productIds.length > 0) await count.look((on) => this.checks.products(on, productIds));
    if (orderIds.length === 0) return;
    await count.look((on) => this.checks.orders(on, orderIds));
    await count.look((on) => this.checks.checkoutsOf(on, orderIds));
  }
}

/** One count: what it has found so far, and the time it has left. */
class CountInHand {
  readonly violations = new ViolationList();
  private readonly startedAt = performance.now();

  constructor(
    private readonly dataSource: DataSource,
    private readonly pace: Pace,
  ) {}

  vendorIds(): Promise<string[]> {
    return this.timed(async (on) => {
      const found: { vendor_id: string }[] = await on.query('SELECT vendor_id FROM vendors ORDER BY vendor_id');
      return found.map(({ vendor_id }) => vendor_id);
    });
  }

  /** Looks at chunk after chunk. */
  async walk(check: (on: Connection, after: string) => Promise<Checked<string>>): Promise<void> {
    for (let after: string | undefined = ''; after !== undefined;) {
      const from: string = after;
      after = (await this.look((on) => check(on, from))).until;
    }
  }

  async look<Found extends Violations>(check: (on: Connection) => Promise<Found>): Promise<Found> {
    const found = await this.timed(check);
    this.violations.add(found);
    return found;
  }

  private async timed<Result>(work: (on: Connection) => Promise<Result>): Promise<Result> {
    this.pace.signal?.throwIfAborted();
    const startedAt = performance.now();
    const leftMs = Math.ceil(this.pace.msMax - (startedAt - this.startedAt));
    if (leftMs <= 0) throw new CountTookTooLong(this.pace.msMax);
    try {
      const result = await this.dataSource.transaction(async (tx) => {
        await tx.query(`SET LOCAL statement_timeout = ${leftMs}`);
        return work(tx);
      });
      await this.rest(performance.now() - startedAt);
      return result;
    } catch (error) {
      if ((error as { code?: unknown }).code === CANCELED) throw new CountTookTooLong(this.pace.msMax);
      throw error;
    }
  }

  private async rest(tookMs: number): Promise<void> {
    const { msMax, restFactor, signal } = this.pace;
    const hasTime = performance.now() - this.startedAt < msMax / 2;
    if (restFactor > 0 && hasTime) await pause(tookMs * restFactor, undefined, { signal });
  }
}

function distinct(ids: (string | undefined)[]): string[] {
  return [...new Set(ids)].filter((id) => id !== undefined);
}
