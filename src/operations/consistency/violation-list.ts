import type { Violation } from './invariants';

/** Violations that are listed; the others are counted. */
export const VIOLATIONS_LISTED_MAX = 100;

/** What some rows were found to violate. */
export interface Violations {
  total: number;
  /** The first of them. */
  listed: Violation[];
}

/** Gathers what is found, each violation once, in bounded space. */
export class ViolationList {
  private readonly listed = new Map<string, Violation>();
  private unlisted = 0;

  add({ total, listed }: Violations): void {
    for (const violation of listed) {
      const key = [violation.invariant, violation.productId, violation.orderId].join(' ');
      if (this.listed.has(key)) continue;
      if (this.listed.size < VIOLATIONS_LISTED_MAX) this.listed.set(key, violation);
      else this.unlisted += 1;
    }
    this.unlisted += total - listed.length;
  }

  get all(): Violations {
    return { total: this.listed.size + this.unlisted, listed: [...this.listed.values()] };
  }
}
