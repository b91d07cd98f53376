import { Injectable } from '@nestjs/common';

/** Vendors that have series of their own in what a process counts. One has some 30 of its polls, and 80 of its orders. */
const NAMED_MAX = 100;
/** Whoever was not counted for so long gives its name away to one that is. */
const IDLE_MS = 600_000;
/** Vendors that a gauge tells of, however many there are: those that tell something first. */
const TOLD_MAX = 1_000;

/** Label value for all vendors beyond those with series of their own: no vendor is called so. */
export const OTHERS = '_other';

/** Removes the series of a vendor that is no longer named. */
export type Forget = (vendor: string) => void;

/**
 * Whose name is a label. Up to a hundred vendors each has its own. Beyond that further ones are counted together as
 * `_other`, until one that is named has not been counted for ten minutes: its series end, and its place is free. So the
 * sum over all is always right, and a scrape is bounded.
 */
export class VendorNames {
  /** Since when each was not counted. Monotonic. */
  private readonly countedAt = new Map<string, number>();
  private readonly forgets: Forget[] = [];

  constructor(
    private readonly namedMax = NAMED_MAX,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /** What the vendor is called in a label. */
  labelOf(vendor: string): string {
    const now = this.clock();
    if (!this.countedAt.has(vendor) && this.countedAt.size >= this.namedMax && !this.makesRoom(now)) return OTHERS;
    this.countedAt.set(vendor, now);
    return vendor;
  }

  onForget(forget: Forget): void {
    this.forgets.push(forget);
  }

  private makesRoom(now: number): boolean {
    let [idlest, since] = ['', Infinity];
    for (const [vendor, countedAt] of this.countedAt) if (countedAt < since) [idlest, since] = [vendor, countedAt];
    if (now - since < IDLE_MS) return false;
    this.countedAt.delete(idlest);
    for (const forget of this.forgets) forget(idlest);
    return true;
  }
}

/** The names of one process: a vendor is polled whether or not it has orders, so that polls must not take up the places of orders. */
@Injectable()
export class VendorSeries {
  readonly ofOrders = new VendorNames();
  readonly ofPolls = new VendorNames();
}

/**
 * Of the vendors those that a gauge tells of: all, up to `allMax`; beyond that those whose value says something, and as
 * many of the others as there is room for. Never more than a thousand.
 */
export function tellingFirst<Each>(
  vendors: readonly Each[],
  tells: (vendor: Each) => boolean,
  allMax = NAMED_MAX,
): Each[] {
  if (vendors.length <= allMax) return [...vendors];
  const telling = vendors.filter(tells).slice(0, TOLD_MAX);
  const others = vendors.filter((vendor) => !tells(vendor)).slice(0, Math.max(0, allMax - telling.length));
  return [...telling, ...others];
}
