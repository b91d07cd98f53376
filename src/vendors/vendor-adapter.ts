import type { Vendor } from './vendor';

/**
 * One vendor dialect. An adapter translates and nothing else: it leaks no field name and throws no raw error of its
 * dialect, and keeps the whole call, body included, within its deadline and size limit.
 */
export interface VendorAdapter {
  readonly kind: string;
  /**
   * Asks for the vendor's stock: a complete listing, or what changed since the last one. Rows are as the vendor sent them:
   * whoever applies them checks them. Throws `VendorCallFailed`, here and while the rows are read.
   */
  poll(vendor: Vendor, request: PollRequest): Promise<Poll>;
  /** Buys. Never throws for what the vendor or the network does: that is the answer. */
  purchase(vendor: Vendor, purchase: Purchase): Promise<PurchaseAnswer>;
  /** Asks the vendor's books for a reference. Never throws for what the vendor or the network does. */
  lookUp(vendor: Vendor, reference: string): Promise<LookUpAnswer>;
  /** Asks the vendor to cancel a reference and close it. Never throws for what the vendor or the network does. */
  cancel(vendor: Vendor, reference: string): Promise<CancelAnswer>;
  /**
   * Asks which orders changed at or after a time, one page. Optional, for a dialect as for a vendor that speaks it. Never
   * throws for what the vendor or the network does.
   */
  changedOrders?(vendor: Vendor, request: ChangedOrdersRequest): Promise<ChangedOrdersAnswer>;
}

export interface ChangedOrdersRequest {
  /** Vendor's clock. */
  since: Date;
  /** Rows of a page, at most 1000. */
  limit: number;
  /** Where the page before said to go on; null for the first. */
  place: string | null;
}

export type ChangedOrderStatus = 'accepted' | 'pending' | 'refused' | 'cancelled';

/** An order as a vendor's list shows it; whoever placed it. */
export interface ChangedOrder {
  reference: string;
  status: ChangedOrderStatus;
  vendorOrderId: string | null;
}

export interface ChangedOrdersPage {
  outcome: 'page';
  /** Vendor's clock, a lower bound, the same on every page: what changed before it is on the list. */
  asOf: Date;
  orders: ChangedOrder[];
  /** Where the next page begins; null after the last. */
  next: string | null;
}

/** `not_offered`: this vendor lists no orders. */
export type ChangedOrdersAnswer = ChangedOrdersPage | { outcome: 'not_offered' } | Unknown;

/** What is asked of a vendor's stock, given the marks that the last applied poll left. */
export interface PollRequest {
  /** `delta` is asked only with a position; the answer may be a complete listing all the same. */
  kind: ListingKind;
  marks: PollMarks;
  signal: AbortSignal;
}

export type ListingKind = 'full' | 'delta';

/** The adapter's own memory of a poll, opaque to others. Null where the dialect has no such thing. */
export interface PollMarks {
  /** Where a delta goes on. */
  position: string | null;
  /** Validator of a complete listing; given, the vendor may answer that nothing has changed. */
  etag: string | null;
}

/** Nothing is remembered: the next poll asks for everything. */
export const NO_MARKS: PollMarks = { position: null, etag: null };

/** `unchanged`: the vendor says that the complete listing with this etag still holds. */
export type Poll = { outcome: 'unchanged' } | Listing;

export interface Listing {
  outcome: 'listing';
  /** A complete listing says of every SKU that it lacks that it is no longer sold; a delta says nothing of them. */
  kind: ListingKind;
  /**
   * Vendor's clock, a lower bound: every quantity contains every order accepted before it. Null where the vendor gives
   * no time.
   */
  asOf: Date | null;
  /** How many rows there will be, where the vendor says so at the start; a catalogue that moves may turn out otherwise. */
  rowsExpected: number | null;
  /** To be read once, to its end; a million rows never stand in memory. */
  pages: AsyncIterable<ListedRow[]>;
  /** To be asked after the last page. */
  marks(): PollMarks;
}

/** A row as it was sent; any of it may be missing or of any type. */
export interface ListedRow {
  sku: unknown;
  name: unknown;
  quantity: unknown;
  price: unknown;
}

export interface Purchase {
  /** The order's id, the same for every attempt: the vendor's idempotency key. */
  reference: string;
  sku: string;
  quantity: number;
}

/** Why a vendor refused for good, in the words of the order's `failureReason`. */
export type RefusalReason = 'OUT_OF_STOCK' | 'UNKNOWN_SKU' | 'REFUSED' | 'CANCELLED';

export interface Accepted {
  outcome: 'accepted';
  vendorOrderId: string;
  /** Vendor's clock. */
  acceptedAt: Date;
}

export interface Refused {
  outcome: 'refused';
  reason: RefusalReason;
  detail: string;
}

/**
 * What a call says of the vendor's health. `failing`: there was no whole answer, a 5xx, or one that cannot be read.
 * `turnedAway`: a 4xx that is not the vendor's own word about what was asked, such as an ingress answers. `unsaid`: it was
 * not made, a rate limit answered, or the answer may come from something in between.
 */
export type CallHealth = 'well' | 'failing' | 'turnedAway' | 'unsaid';

/** It may or may not be in the vendor's books. */
export interface Unknown {
  outcome: 'unknown';
  detail: string;
  /** The vendor asked to be left alone for this long. */
  retryAfterMs?: number;
  /** The vendor's rate limit answered: the call does not count as an attempt. */
  rateLimited?: boolean;
  /** `well` unless said. */
  health?: CallHealth;
}

/** It certainly never reached the vendor. */
export interface NotSent {
  outcome: 'not_sent';
  detail: string;
  /** `failing` where it could not be reached; `unsaid`, unless said: we did not try. */
  health?: CallHealth;
}

/** It has it, and has not decided. */
export interface Pending {
  outcome: 'pending';
  detail: string;
}

export type PurchaseAnswer = Accepted | Refused | Pending | Unknown | NotSent;

/** `not_found`: the vendor itself says that it is not in its books at this moment, which alone proves nothing. */
export type LookUpAnswer = Accepted | Refused | Pending | Unknown | { outcome: 'not_found' };

/**
 * `cancelled`: nothing of this reference is or will ever be bought. `too_late`: the vendor has it and keeps it.
 * `not_found`: not in its books, and not closed by this call, which proves no more than a look-up that finds nothing.
 */
export type CancelAnswer =
  | { outcome: 'cancelled' }
  /** `well` unless said. */
  | { outcome: 'too_late'; health?: CallHealth }
  | { outcome: 'not_found' }
  | Unknown;

/** A poll that gave nothing usable, after what patience there is. The message says what and where, without secrets. */
export class VendorCallFailed extends Error {
  readonly health: CallHealth;

  constructor(message: string, { health = 'failing', ...options }: ErrorOptions & { health?: CallHealth } = {}) {
    super(message, options);
    this.health = health;
  }
}
