import { SKUS } from './history';

/** `closed`: a reference that was cancelled before it was seen. */
export interface Entry {
  reference: string;
  sku: string;
  quantity: number;
  status: 'accepted' | 'refused' | 'cancelled' | 'closed';
  code: string | null;
  /** Milliseconds, vendor's clock. */
  decidedAtMs: number;
}

export interface Purchase {
  reference: string;
  sku: string;
  quantity: number;
}

export interface Listing {
  asOfMs: number;
  quantities: Record<string, number>;
}

/** What a vendor really has and has sold, by its own clock: the independent truth. Decides one thing at a time. */
export class Books {
  readonly entries = new Map<string, Entry>();
  /** What was sent and has not arrived yet. */
  private late: Purchase[] = [];
  private readonly stock: Map<string, number>;
  /** What there would be without us. */
  private readonly begun: Map<string, number>;
  /** SKUs that were sold to others. */
  readonly soldOutside = new Set<string>();
  private published: Listing;

  constructor(
    stock: Record<string, number>,
    /** Stands still unless it ticks: much happens within one millisecond. */
    private clockMs: number,
  ) {
    this.stock = new Map(Object.entries(stock));
    this.begun = new Map(this.stock);
    this.published = this.listing();
  }

  quantityOf(sku: string): number {
    return this.stock.get(sku)!;
  }

  /** What there would be had we bought so much, and nothing else. */
  quantityAfter(sku: string, bought: number): number {
    return this.begun.get(sku)! - bought;
  }

  tick(): void {
    this.clockMs += 1;
  }

  purchase({ reference, sku, quantity }: Purchase): Entry {
    const known = this.entries.get(reference);
    if (known) return known;
    const left = this.stock.get(sku);
    if (left === undefined) return this.write({ reference, sku, quantity, status: 'refused', code: 'UNKNOWN_SKU' });
    if (left < quantity) return this.write({ reference, sku, quantity, status: 'refused', code: 'OUT_OF_STOCK' });
    this.stock.set(sku, left - quantity);
    return this.write({ reference, sku, quantity, status: 'accepted', code: null });
  }

  refuse({ reference, sku, quantity }: Purchase): Entry {
    return (
      this.entries.get(reference) ??
      this.write({ reference, sku, quantity, status: 'refused', code: 'WE_DO_NOT_LIKE_YOU' })
    );
  }

  /** On its way, and not in the books before it arrives. */
  receiveLater(purchase: Purchase): void {
    this.late.push(purchase);
  }

  arrive(): void {
    for (const purchase of this.late.splice(0)) this.purchase(purchase);
  }

  /** Cancels a purchase and takes it back into stock, or closes a reference that stands for none. */
  cancel(reference: string): void {
    const entry = this.entries.get(reference);
    if (entry?.status === 'accepted') {
      entry.status = 'cancelled';
      this.stock.set(entry.sku, this.quantityOf(entry.sku) + entry.quantity);
    }
    if (!entry) this.write({ reference, sku: '', quantity: 0, status: 'closed', code: 'CANCELLED' });
  }

  sellOutside(quantity: number): void {
    const sku = SKUS[1];
    const sold = Math.min(quantity, this.quantityOf(sku));
    this.stock.set(sku, this.quantityOf(sku) - sold);
    this.begun.set(sku, this.begun.get(sku)! - sold);
    this.soldOutside.add(sku);
  }

  restock(sku: string, quantity: number): void {
    this.stock.set(sku, this.quantityOf(sku) + quantity);
    this.begun.set(sku, this.begun.get(sku)! + quantity);
  }

  publish(): void {
    this.published = this.listing();
  }

  /** Contains all that was decided before its time, and perhaps some of what was decided in that very millisecond. */
  listing(): Listing {
    return { asOfMs: this.clockMs, quantities: Object.fromEntries(this.stock) };
  }

  delayedListing(): Listing {
    return this.published;
  }

  /** A time that is only a lower bound: the quantities are newer. */
  lowerBoundListing(): Listing {
    return { ...this.listing(), asOfMs: this.published.asOfMs };
  }

  private write(decided: Omit<Entry, 'decidedAtMs'>): Entry {
    const entry = { ...decided, decidedAtMs: this.clockMs };
    this.entries.set(entry.reference, entry);
    return entry;
  }
}
