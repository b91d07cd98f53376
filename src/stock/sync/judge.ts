/** Removals up to this many are believed whatever share of the listing they are. */
const REMOVALS_BELIEVED = 20;
/** Beyond that, a listing that lacks more than this share of what is known looks truncated. */
const REMOVED_SHARE_MAX = 1 / 5;
/** A listing further ahead of the vendor's usual offset to our clock comes from a clock that jumped. */
const CLOCK_JUMP_MS_MAX = 5 * 60_000;

export interface ListingClock {
  /** Vendor's clock: what the listing says. */
  asOf: Date;
  /** Our clock, when the poll began. */
  polledAt: Date;
  /** Vendor's clock: the last complete listing that was applied. */
  fullAsOf: Date | null;
  /** The vendor's usual offset to our clock. */
  clockOffsetMs: number | null;
}

/**
 * Why a listing's time cannot be believed, or undefined. Such a listing changes nothing: a time that runs ahead would
 * count orders as contained that are not, one that moves back would bring sold stock back.
 */
export function clockProblem({ asOf, polledAt, fullAsOf, clockOffsetMs }: ListingClock): string | undefined {
  if (fullAsOf !== null && asOf < fullAsOf) {
    return `CLOCK: asOf ${asOf.toISOString()} is before ${fullAsOf.toISOString()}, which was applied already`;
  }
  // A vendor whose clock is usually behind may correct it up to our time; that is no jump into the future.
  const aheadMs = offsetMs(asOf, polledAt) - Math.max(clockOffsetMs ?? Number.POSITIVE_INFINITY, 0);
  if (aheadMs > CLOCK_JUMP_MS_MAX) {
    return `CLOCK: asOf ${asOf.toISOString()} is ${Math.round(aheadMs / 1000)} s ahead of the vendor's usual time`;
  }
  return undefined;
}

export function offsetMs(asOf: Date, polledAt: Date): number {
  return asOf.getTime() - polledAt.getTime();
}

/** Absence is suspicious, an explicit number is news: says why the removals of a complete listing are held back. */
export function removalProblem(counts: { staged: number; known: number; missing: number }): string | undefined {
  const { staged, known, missing } = counts;
  if (staged === 0 && known > 0) return `EMPTY: the listing has none of ${known} known SKUs`;
  if (missing > REMOVALS_BELIEVED && missing > known * REMOVED_SHARE_MAX) {
    return `TRUNCATED: the listing lacks ${missing} of ${known} known SKUs`;
  }
  return undefined;
}
