/**
 * Which rows of the stock changed, in what order and when: what a delta is read from. Every change has the next
 * sequence number. Built from the ledger's events alone, so a restart gives the same numbers.
 */

/** What is kept at least; 24 bytes each. A million SKUs can change once and all of it is still in reach. */
export const CHANGES_KEPT_MAX = 1_000_000;
/** Forgetting moves everything that stays, so it is done for many changes at once. */
const FORGET_AT_ONCE = 250_000;

/** A stretch of changes: who goes on reading after `through`, with the same `until`, misses none. */
export interface Stretch {
  readonly rows: number[];
  readonly through: number;
  readonly more: boolean;
}

export class ChangeLog {
  /** The changes that are kept, oldest first: its row, its time, and the number of the same row's next change or 0. */
  private readonly rows: number[] = [];
  private readonly times: number[] = [];
  private readonly nexts: number[] = [];
  /** The last change of each row, or 0. */
  private readonly lastOf: number[];
  /** How many changes are kept no longer, and the time of the last one of them. */
  private forgotten = 0;
  private forgottenMs = -Infinity;

  constructor(rows: number) {
    this.lastOf = new Array<number>(rows).fill(0);
  }

  /** The number of the last change; 0: there was none. */
  get latest(): number {
    return this.forgotten + this.rows.length;
  }

  get latestMs(): number {
    return this.times.at(-1) ?? -Infinity;
  }

  record(row: number, atMs: number): void {
    const before = (this.lastOf[row] ?? 0) - this.forgotten - 1;
    if (before >= 0) this.nexts[before] = this.latest + 1;
    this.rows.push(row);
    this.times.push(atMs);
    this.nexts.push(0);
    this.lastOf[row] = this.latest;
    if (this.rows.length >= CHANGES_KEPT_MAX + FORGET_AT_ONCE) this.forget(this.rows.length - CHANGES_KEPT_MAX);
  }

  /** Whether everything after this change is still known, when no more than `changesMax` are looked back. */
  reaches(after: number, changesMax: number): boolean {
    return after <= this.latest && after >= Math.max(this.forgotten, this.latest - changesMax);
  }

  /** The last change before a time; undefined if it, or one of the same time, has been forgotten. */
  lastBefore(ms: number): number | undefined {
    if (ms <= this.forgottenMs) return undefined;
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.times[middle] as number) < ms) low = middle + 1;
      else high = middle;
    }
    return this.forgotten + low;
  }

  /**
   * The rows changed after one change and up to another, each at its last change in between: a row that changed twice
   * is there once, and one that changed again after `until` is not lost, which `last change of all` would do.
   */
  between(after: number, until: number, rowsMax: number, isWanted: (row: number) => boolean): Stretch {
    const rows: number[] = [];
    for (let number = after + 1; number <= until; number++) {
      const index = number - this.forgotten - 1;
      const next = this.nexts[index] as number;
      const row = this.rows[index] as number;
      if ((next !== 0 && next <= until) || !isWanted(row)) continue;
      if (rows.length === rowsMax) return { rows, through: number - 1, more: true };
      rows.push(row);
    }
    return { rows, through: Math.max(after, until), more: false };
  }

  private forget(count: number): void {
    this.forgottenMs = this.times[count - 1] as number;
    this.forgotten += count;
    for (const kept of [this.rows, this.times, this.nexts]) kept.splice(0, count);
  }
}
