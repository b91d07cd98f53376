/** `north` closes references it has never seen, `south` cannot. Only what is named B is ever sold outside. */
export const VENDORS = ['north', 'south'] as const;
export type VendorId = (typeof VENDORS)[number];
export const SKUS = ['A', 'B'] as const;
export const PRODUCTS = VENDORS.flatMap((vendorId) => SKUS.map((sku) => `${vendorId}:${sku}`));
/** So far the clock of a vendor's listings runs ahead of the one that dates its acceptances. */
export const FEED_AHEAD_MS: Record<VendorId, number> = { north: 0, south: 2 };
/** What we allow for that; more than needed, as one does. */
export const CLOCK_MARGIN_MS: Record<VendorId, number> = { north: 0, south: 3 };

/** What a vendor does with a purchase; without a plan it answers as its books say. */
export type PurchaseTrick =
  'answer' | 'refuse' | 'acceptThenDrop' | 'acceptThen500' | 'refuseThenDrop' | 'late' | 'fail';
export type LookUpTrick = 'answer' | 'fail';
export type CancelTrick = 'answer' | 'tooLate' | 'fail' | 'cancelThenDrop';

/**
 * `delayed`: the books as they were when last published, as a cache gives out what was generated earlier.
 * `lowerBound`: the books now, with that time.
 */
export type Feed = 'fresh' | 'delayed' | 'lowerBound';

export interface Line {
  productId: string;
  quantity: number;
}

/** Indexes are taken modulo what there is when the round begins; with nothing there, nothing happens. */
export type Step =
  | { kind: 'place'; line: Line; key: string | null; process: 0 | 1 }
  | { kind: 'checkOut'; lines: Line[]; key: string | null; process: 0 | 1 }
  | { kind: 'cancel'; order: number }
  | { kind: 'dispatch'; message: number }
  | { kind: 'redeliver'; message: number }
  | { kind: 'sellOutside'; vendorId: VendorId; quantity: number }
  | { kind: 'restock'; productId: string; quantity: number }
  /** Leaves the listing, or comes back. */
  | { kind: 'list'; productId: string; listed: boolean }
  | { kind: 'publish'; vendorId: VendorId }
  | { kind: 'tick'; vendorId: VendorId }
  /**
   * `complete`: a complete listing is due; else a delta may do. `steals`: takes the lease from a run that is under way, as
   * if that one were dead; else it is not started.
   */
  | { kind: 'sync'; vendorId: VendorId; feed: Feed; complete: boolean; steals: boolean };

export interface Tricks {
  purchase: PurchaseTrick[];
  lookUp: LookUpTrick[];
  cancel: CancelTrick[];
}

/** All steps of a round are under way at once. */
export interface Round {
  steps: Step[];
  tricks: Record<VendorId, Tricks>;
  /** Clocks that go on before it. */
  ticks: VendorId[];
  /** This vendor cannot be reached. */
  down: VendorId | null;
  /** Before it, deadlines pass, claims of the dead run out and what was late arrives. */
  timePasses: boolean;
}

export interface History {
  /** By product. */
  stock: Record<string, number>;
  rounds: Round[];
}
