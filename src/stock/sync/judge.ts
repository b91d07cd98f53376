/** Removals up to this many are believed whatever share of the listing they are. */
const REMOVALS_BELIEVED = 20;
/** Beyond that, a listing that lacks more than this share of what is known looks truncated. */
const REMOVED_SHARE_MAX = 1 / 5;
/** A listing further ahead of the vendor's usual offset to our clock comes from a clock that jumped. */
const CLOCK_JUMP_MS_MAX = 5 * 60_000;

/** A small catalogue may change this many of its prices as it likes. */
const WILD_PRICES_BELIEVED = 20;
/** Beyond that, a listing whose prices move wildly in more than this share of its rows looks wrong. */
const WILD_PRICES_SHARE_MAX = 1 / 10;

/** Why a run is held; its error begins with it. */
export const HELD_FOR = ['CLOCK', 'EMPTY', 'TRUNCATED', 'PRICES', 'LIMIT'] as const;
export type HeldFor = (typeof HELD_FOR)[number];

/** What an operator has to decide about. `detail` is a sentence that begins with the reason. */
export interface Problem {
  heldFor: HeldFor;
  detail: string;
}

export interface ListingClock {
  /** Vendor's clock: what the listing says; null where the vendor gives no time. */
  asOf: Date | null;
  /** Our clock, when the poll began. */
  polledAt: Date;
  /** Vendor's clock: the newest listing that was applied. */
  stockAsOf: Date | null;
  /** The vendor's usual offset to our clock. */
  clockOffsetMs: number | null;
}

/**
 * Why a listing's time cannot be believed, or undefined. Such a listing changes nothing: a time that runs ahead would
 * count orders as contained that are not, one that moves back would bring sold stock back.
 */
export function clockProblem({ asOf, polledAt, stockAsOf, clockOffsetMs }: ListingClock): Problem | undefined {
  if (asOf === null) return undefined;
  if (stockAsOf !== null && asOf < stockAsOf) {
    return problem(
      'CLOCK',
      `asOf ${asOf.toISOString()} is before ${stockAsOf.toISOString()}, which was applied already`,
    );
  }
  // A vendor whose clock is usually behind may correct it up to our time; that is no jump into the future.
  const aheadMs = offsetMs(asOf, polledAt) - Math.max(clockOffsetMs ?? Number.POSITIVE_INFINITY, 0);
  if (aheadMs > CLOCK_JUMP_MS_MAX) {
    const seconds = Math.round(aheadMs / 1000);
    return problem('CLOCK', `asOf ${asOf.toISOString()} is ${seconds} s ahead of the vendor's usual time`);
  }
  return undefined;
}

export function offsetMs(asOf: Date, polledAt: Date): number {
  return asOf.getTime() - polledAt.getTime();
}

export interface ListingCounts {
  /** Rows that may be applied. */
  staged: number;
  /** SKUs that are listed so far. */
  known: number;
  /** Those of them that the listing lacks. */
  missing: number;
  /** Rows the vendor sent, and how many it had announced, if it did. */
  seen: number;
  rowsExpected: number | null;
}

/** Absence is suspicious, an explicit number is news: says why the removals of a complete listing are held back. */
export function removalProblem({ staged, known, missing, seen, rowsExpected }: ListingCounts): Problem | undefined {
  if (staged === 0 && known > 0) return problem('EMPTY', `the listing has none of ${known} known SKUs`);
  if (missing <= REMOVALS_BELIEVED) return undefined;
  if (missing > known * REMOVED_SHARE_MAX) {
    return problem('TRUNCATED', `the listing lacks ${missing} of ${known} known SKUs`);
  }
  if (rowsExpected !== null && seen < rowsExpected) {
    const rows = `${seen} of the ${rowsExpected} rows it announced`;
    return problem('TRUNCATED', `the vendor sent ${rows}; ${missing} of ${known} known SKUs are missing`);
  }
  return undefined;
}

/** `wildPrices`: rows that move their product's price by more than half or to zero, or that are new and cost nothing. */
export function priceProblem({ staged, wildPrices }: { staged: number; wildPrices: number }): Problem | undefined {
  if (wildPrices <= WILD_PRICES_BELIEVED || wildPrices <= staged * WILD_PRICES_SHARE_MAX) return undefined;
  return problem('PRICES', `${wildPrices} of ${staged} prices move by more than half, or to zero`);
}

/** `stored`: the vendor's products, listed or not; `added`: rows of SKUs that are not among them. */
export function limitProblem(counts: { stored: number; added: number; productsMax: number }): Problem | undefined {
  const { stored, added, productsMax } = counts;
  if (added === 0 || stored + added <= productsMax) return undefined;
  return problem(
    'LIMIT',
    `with ${added} new SKUs the vendor would have ${stored + added} products, of ${productsMax} at most`,
  );
}

function problem(heldFor: HeldFor, detail: string): Problem {
  return { heldFor, detail: `${heldFor}: ${detail}` };
}
