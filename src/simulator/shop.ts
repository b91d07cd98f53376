/**
 * A vendor's shop: decides over its stock book, writes the ledger, and lets no answer leave before everything the
 * answer could have seen is on disk. Knows no dialect and no HTTP.
 */
import { randomUUID } from 'node:crypto';
import type { CatalogueItem, SimulatedVendor } from './catalogue';
import { Ledger, ledgerPath } from './ledger';
import type { LedgerEvent, RefusalCode } from './ledger-event';
import { type Purchase, StockBook } from './stock-book';
import { type TimeSource, VendorClock } from './vendor-clock';

/** All references are kept in memory, some 500 bytes each; beyond this the shop takes no new ones. */
const REFERENCES_MAX = 2_000_000;
const NEW_ITEM = { quantity: 0, price: '10.00' };

export type Placement =
  | { kind: 'accepted'; vendorOrderId: string; acceptedAt: string; repeated: boolean }
  | { kind: 'refused'; code: RefusalCode | 'CANCELLED'; repeated: boolean };

export interface LookUp {
  readonly vendorOrderId: string | null;
  readonly acceptedAt: string | null;
  readonly status: 'accepted' | 'cancelled' | 'refused';
  readonly code?: RefusalCode;
}

/** Which listing a reader is going through; what does not change from its first page to its last. */
export interface Listing {
  readonly asOfMs: number;
  /** `start` is the listing as it was when the simulator started. */
  readonly source: 'now' | 'start';
  readonly order: 'ascending' | 'descending';
}

/** The shop has no room for another reference. */
export class BooksFull extends Error {}

export class Shop {
  private readonly startListing: readonly CatalogueItem[];
  private readonly startMs: number;
  private readonly versionPrefix = randomUUID().slice(0, 8);
  private readonly orderIdPrefix: string;

  private constructor(
    private readonly vendor: SimulatedVendor,
    private readonly ledger: Ledger,
    private readonly book: StockBook,
    private readonly clock: VendorClock,
  ) {
    this.startListing = book.page('ascending', null, book.size);
    this.startMs = clock.now();
    this.orderIdPrefix = initialsOf(vendor.vendorId);
  }

  /** Reads the vendor's ledger from `dataDir` and goes on from it. @throws Error if it cannot be read. */
  static async open(
    vendor: SimulatedVendor,
    dataDir: string,
    surroundings: { skewMs: () => number; time: TimeSource; notice: (sentence: string) => void },
  ): Promise<Shop> {
    const book = new StockBook(vendor.catalogue);
    const path = ledgerPath(dataDir, vendor.vendorId);
    const ledger = await Ledger.open(path, (event) => book.apply(event), surroundings.notice);
    return new Shop(vendor, ledger, book, new VendorClock(book.latestMs, surroundings.skewMs, surroundings.time));
  }

  /** Sells, or answers what was answered to this reference before. `refuseAs` is asked only for a new reference. */
  async place(
    reference: string,
    sku: string,
    quantity: number,
    refuseAs: () => RefusalCode | undefined = () => undefined,
  ): Promise<Placement> {
    const placement = this.answerAgain(reference) ?? this.decide(reference, sku, quantity, refuseAs);
    await this.ledger.onDisk();
    return placement;
  }

  async lookUp(reference: string): Promise<LookUp | undefined> {
    const found = this.find(reference);
    await this.ledger.onDisk();
    return found;
  }

  /** Cancels a purchase, or closes a reference that stands for none. False: too late, the goods are on their way. */
  async cancel(reference: string): Promise<boolean> {
    const inTime = this.decideCancel(reference);
    await this.ledger.onDisk();
    return inTime;
  }

  /** Begins a listing. Its time is taken before any quantity is read, which is what makes it a lower bound. */
  async beginListing(source: Listing['source'], order: Listing['order']): Promise<Listing> {
    const asOfMs = source === 'now' ? this.clock.now() : this.startMs;
    if (this.clock.isAhead(asOfMs)) this.record({ type: 'clock', at: iso(asOfMs) });
    await this.ledger.onDisk();
    return { asOfMs, source, order };
  }

  async page(listing: Listing, after: string | null, limit: number): Promise<CatalogueItem[]> {
    const page =
      listing.source === 'now'
        ? this.book.page(listing.order, after, limit)
        : pageOf(this.startListing, listing.order, after, limit);
    await this.ledger.onDisk();
    return page;
  }

  get listedItems(): number {
    return this.book.size;
  }

  /**
   * A mark that stays the same as long as the listing does. None while the last change could still carry the time of
   * this listing: a reader who is told "unchanged" keeps its old `asOf`, and would never learn that a sale made in that
   * very millisecond is contained.
   */
  unchangedMark(asOfMs: number): string | undefined {
    return this.book.lastChangeMs < asOfMs ? `${this.versionPrefix}-${this.book.version}` : undefined;
  }

  /** Every purchase and refusal, straight from the ledger's events. */
  async purchases(reference?: string): Promise<readonly Purchase[]> {
    const found = reference === undefined ? this.book.purchases : this.book.standing(reference)?.purchases;
    // Copied, because what changes while the disk is written would leave with this answer.
    const purchases = (found ?? []).map((purchase) => ({ ...purchase }));
    await this.ledger.onDisk();
    return purchases;
  }

  /** Sets what is said and keeps the rest; an unknown SKU is created. */
  async adjust(sku: string, change: Partial<Omit<CatalogueItem, 'sku'>>): Promise<CatalogueItem> {
    const item = { ...NEW_ITEM, name: sku, ...this.book.item(sku), ...change, sku };
    this.record({ type: 'adjusted', at: this.timestamp(), ...item });
    await this.ledger.onDisk();
    return item;
  }

  async delist(sku: string): Promise<boolean> {
    const listed = this.book.item(sku) !== undefined;
    if (listed) this.record({ type: 'delisted', at: this.timestamp(), sku });
    await this.ledger.onDisk();
    return listed;
  }

  /** Sells one of a product to somebody else, at a place of the listing between 0 and 1. Answers whether it had one. */
  sellOutside(place: number): boolean {
    const sku = this.book.skuAt(Math.floor(place * this.book.size));
    if (sku === undefined || this.book.refusal(sku, 1)) return false;
    this.record({ type: 'soldOutside', at: this.timestamp(), sku, quantity: 1 });
    return true;
  }

  /** Resolves once everything is on disk. */
  close(): Promise<void> {
    return this.ledger.close();
  }

  private answerAgain(reference: string): Placement | undefined {
    const standing = this.book.standing(reference);
    if (!standing) return undefined;
    const purchase = standing.purchases[0];
    if (standing.closed || !purchase) return { kind: 'refused', code: 'CANCELLED', repeated: true };
    if (purchase.code) return { kind: 'refused', code: purchase.code, repeated: true };
    const { vendorOrderId, acceptedAt } = purchase as { vendorOrderId: string; acceptedAt: string };
    return { kind: 'accepted', vendorOrderId, acceptedAt, repeated: true };
  }

  private decide(reference: string, sku: string, quantity: number, refuseAs: () => RefusalCode | undefined): Placement {
    this.refuseWhenFull();
    const code = refuseAs() ?? this.book.refusal(sku, quantity);
    const at = this.timestamp();
    if (code) {
      this.record({ type: 'refused', at, reference, sku, quantity, code });
      return { kind: 'refused', code, repeated: false };
    }
    const vendorOrderId = `${this.orderIdPrefix}-${String(this.book.acceptances + 1).padStart(7, '0')}`;
    this.record({ type: 'accepted', at, reference, vendorOrderId, sku, quantity });
    return { kind: 'accepted', vendorOrderId, acceptedAt: at, repeated: false };
  }

  private find(reference: string): LookUp | undefined {
    const standing = this.book.standing(reference);
    if (!standing) return undefined;
    const purchase = standing.purchases[0];
    const { vendorOrderId = null, acceptedAt = null } = purchase ?? {};
    if (standing.closed || !purchase) return { vendorOrderId, acceptedAt, status: 'cancelled' };
    return { vendorOrderId, acceptedAt, status: purchase.status, ...(purchase.code && { code: purchase.code }) };
  }

  private decideCancel(reference: string): boolean {
    const standing = this.book.standing(reference);
    if (standing?.closed) return true;
    const purchase = standing?.purchases[0];
    const nowMs = this.clock.now();
    if (!purchase?.vendorOrderId) {
      if (!standing) this.refuseWhenFull();
      this.record({ type: 'closed', at: iso(nowMs), reference });
      return true;
    }
    const ageMs = nowMs - Date.parse(purchase.acceptedAt as string);
    if (this.vendor.shipsAfterMs !== undefined && ageMs >= this.vendor.shipsAfterMs) return false;
    this.record({ type: 'cancelled', at: iso(nowMs), reference, vendorOrderId: purchase.vendorOrderId });
    return true;
  }

  /** The ledger first: when it refuses, the book must not know either. */
  private record(event: LedgerEvent): void {
    this.ledger.append(event);
    this.book.apply(event);
  }

  private refuseWhenFull(): void {
    if (this.book.references >= REFERENCES_MAX) {
      throw new BooksFull(`The books are full: they hold ${REFERENCES_MAX} references. Start with an empty ledger.`);
    }
  }

  private timestamp(): string {
    return iso(this.clock.now());
  }
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function pageOf(
  items: readonly CatalogueItem[],
  order: Listing['order'],
  after: string | null,
  limit: number,
): CatalogueItem[] {
  const rows = order === 'ascending' ? items : items.toReversed();
  const start = after === null ? 0 : rows.findIndex((item) => item.sku === after) + 1;
  return rows.slice(start, start + limit);
}

/** `alpine-outdoor` numbers its orders `AO-0000001`: nothing of the buyer's reference is in it. */
function initialsOf(vendorId: string): string {
  return vendorId
    .split('-')
    .map((word) => word.charAt(0))
    .join('')
    .toUpperCase();
}
