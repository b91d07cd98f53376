/**
 * A vendor's shop counter: takes orders in and decides over them, and lets no answer leave before everything the answer
 * could have seen is on disk. Knows no dialect and no HTTP.
 */
import { type Books, iso } from './books';
import type { SimulatedVendor } from './catalogue';
import type { RefusalCode } from './ledger-event';
import type { Purchase, QueuedOrder } from './stock-book';

/** All references are kept in memory, some 500 bytes each; beyond this the shop takes no new ones. */
const REFERENCES_MAX = 2_000_000;

export type Placement =
  | { kind: 'accepted'; vendorOrderId: string; acceptedAt: string; repeated: boolean }
  | { kind: 'refused'; code: RefusalCode | 'CANCELLED'; repeated: boolean };

export interface LookUp {
  readonly vendorOrderId: string | null;
  readonly acceptedAt: string | null;
  readonly status: 'accepted' | 'pending' | 'cancelled' | 'refused';
  readonly code?: RefusalCode;
}

/** An order, and when it changed last. */
export interface ChangedOrder extends LookUp {
  readonly reference: string;
  readonly quantity?: number;
  readonly changedMs: number;
}

/** `cancelled`: nothing is or will be bought. `unknown`: never seen, and not closed either. */
export type Cancellation = 'cancelled' | 'tooLate' | 'unknown';

type RefuseAs = () => RefusalCode | undefined;

/** The shop has no room for another reference. */
export class BooksFull extends Error {}

export class Shop {
  private readonly orderIdPrefix: string;

  constructor(
    private readonly vendor: SimulatedVendor,
    private readonly books: Books,
  ) {
    this.orderIdPrefix = initialsOf(vendor.vendorId);
  }

  /** Sells, or answers what was answered to this reference before. `refuseAs` is asked only for a new reference. */
  async place(order: QueuedOrder, refuseAs: RefuseAs = () => undefined): Promise<Placement> {
    const placement = this.answerAgain(order.reference) ?? this.decide(order, refuseAs);
    await this.books.onDisk();
    return placement;
  }

  /** Takes an order in, to be decided later, unless it can be refused at once. Answers how it stands. */
  async enqueue(order: QueuedOrder): Promise<{ stands: LookUp; isNew: boolean }> {
    const known = this.find(order.reference);
    const stands = known ?? this.takeIn(order);
    await this.books.onDisk();
    return { stands, isNew: !known };
  }

  /** Decides over an order that was taken in; does nothing when it was cancelled meanwhile. */
  decideQueued(reference: string, refuseAs: RefuseAs): void {
    const order = this.books.stock.queued.get(reference);
    if (order) this.decide(order, refuseAs);
  }

  get queuedReferences(): string[] {
    return [...this.books.stock.queued.keys()];
  }

  async lookUp(reference: string): Promise<LookUp | undefined> {
    const found = this.find(reference);
    await this.books.onDisk();
    return found;
  }

  /** Every order whose acceptance or state changed at this time or later, in the order of the changes. */
  async changedSince(sinceMs: number): Promise<{ asOfMs: number; rows: ChangedOrder[] }> {
    const { stock, clock } = this.books;
    // Before the rows: what changes from now on is dated no earlier.
    const asOfMs = clock.now();
    const rows: ChangedOrder[] = [];
    for (const [reference, changedMs] of stock.changedMs) {
      if (changedMs < sinceMs) continue;
      const quantity = (stock.queued.get(reference) ?? stock.standing(reference)?.purchases[0])?.quantity;
      rows.push({ reference, ...this.find(reference)!, ...(quantity !== undefined && { quantity }), changedMs });
    }
    await this.books.onDisk();
    return { asOfMs, rows };
  }

  /** Cancels what was bought or taken in. A reference that was never seen is closed, or left, as the vendor's way is. */
  async cancel(reference: string, neverSeen: 'close' | 'leave'): Promise<Cancellation> {
    const isUnknown = neverSeen === 'leave' && !this.find(reference);
    const cancellation = isUnknown ? 'unknown' : this.decideCancel(reference);
    await this.books.onDisk();
    return cancellation;
  }

  /** Every purchase and refusal, straight from the ledger's events. */
  async purchases(reference?: string): Promise<readonly Purchase[]> {
    const { stock } = this.books;
    const found = reference === undefined ? stock.purchases : stock.standing(reference)?.purchases;
    // Copied, because what changes while the disk is written would leave with this answer.
    const purchases = (found ?? []).map((purchase) => ({ ...purchase }));
    await this.books.onDisk();
    return purchases;
  }

  private answerAgain(reference: string): Placement | undefined {
    const standing = this.books.stock.standing(reference);
    if (!standing) return undefined;
    const purchase = standing.purchases[0];
    if (standing.closed || !purchase) return { kind: 'refused', code: 'CANCELLED', repeated: true };
    if (purchase.code) return { kind: 'refused', code: purchase.code, repeated: true };
    const { vendorOrderId, acceptedAt } = purchase as { vendorOrderId: string; acceptedAt: string };
    return { kind: 'accepted', vendorOrderId, acceptedAt, repeated: true };
  }

  private decide({ reference, sku, quantity }: QueuedOrder, refuseAs: RefuseAs): Placement {
    const { stock } = this.books;
    if (!stock.queued.has(reference)) this.refuseWhenFull();
    const code = refuseAs() ?? stock.refusal(sku, quantity);
    const at = this.books.timestamp();
    if (code) {
      this.books.record({ type: 'refused', at, reference, sku, quantity, code });
      return { kind: 'refused', code, repeated: false };
    }
    const vendorOrderId = `${this.orderIdPrefix}-${String(stock.acceptances + 1).padStart(7, '0')}`;
    this.books.record({ type: 'accepted', at, reference, vendorOrderId, sku, quantity });
    return { kind: 'accepted', vendorOrderId, acceptedAt: at, repeated: false };
  }

  private takeIn({ reference, sku, quantity }: QueuedOrder): LookUp {
    this.refuseWhenFull();
    const code = this.books.stock.refusal(sku, quantity);
    const order = { at: this.books.timestamp(), reference, sku, quantity };
    this.books.record(code ? { type: 'refused', ...order, code } : { type: 'queued', ...order });
    const undecided = { vendorOrderId: null, acceptedAt: null };
    return code ? { ...undecided, status: 'refused', code } : { ...undecided, status: 'pending' };
  }

  private find(reference: string): LookUp | undefined {
    const { stock } = this.books;
    if (stock.queued.has(reference)) return { vendorOrderId: null, acceptedAt: null, status: 'pending' };
    const standing = stock.standing(reference);
    if (!standing) return undefined;
    const purchase = standing.purchases[0];
    const { vendorOrderId = null, acceptedAt = null } = purchase ?? {};
    if (standing.closed || !purchase) return { vendorOrderId, acceptedAt, status: 'cancelled' };
    return { vendorOrderId, acceptedAt, status: purchase.status, ...(purchase.code && { code: purchase.code }) };
  }

  private decideCancel(reference: string): Cancellation {
    const standing = this.books.stock.standing(reference);
    if (standing?.closed) return 'cancelled';
    const purchase = standing?.purchases[0];
    const nowMs = this.books.clock.now();
    if (!purchase?.vendorOrderId) {
      if (!this.find(reference)) this.refuseWhenFull();
      this.books.record({ type: 'closed', at: iso(nowMs), reference });
      return 'cancelled';
    }
    const ageMs = nowMs - Date.parse(purchase.acceptedAt as string);
    if (this.vendor.shipsAfterMs !== undefined && ageMs >= this.vendor.shipsAfterMs) return 'tooLate';
    this.books.record({ type: 'cancelled', at: iso(nowMs), reference, vendorOrderId: purchase.vendorOrderId });
    return 'cancelled';
  }

  private refuseWhenFull(): void {
    if (this.books.stock.references >= REFERENCES_MAX) {
      throw new BooksFull(`The books are full: they hold ${REFERENCES_MAX} references. Start with an empty ledger.`);
    }
  }
}

/** `alpine-outdoor` numbers its orders `AO-0000001`: nothing of the buyer's reference is in it. */
function initialsOf(vendorId: string): string {
  return vendorId
    .split('-')
    .map((word) => word.charAt(0))
    .join('')
    .toUpperCase();
}
