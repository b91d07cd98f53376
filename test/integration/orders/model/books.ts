import type { ListingKind } from '../../../../src/vendors/vendor-adapter';
import { type Feed, SKUS } from './history';

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

/** What is listed at one moment. Times in milliseconds, by the clock of the vendor's listings. */
export interface Picture {
  asOfMs: number;
  items: { sku: string; quantity: number; changedAtMs: number }[];
}

/** What a poll was given. */
export interface Listing {
  kind: ListingKind;
  asOfMs: number;
  quantities: Record<string, number>;
}

/** A complete listing says of what it lacks that it is no longer sold, a delta says nothing of it. */
export function speaksFor({ kind, quantities }: Listing, sku: string): boolean {
  return kind === 'full' || sku in quantities;
}

interface Shelf {
  quantity: number;
  /** What there would be without us. */
  withoutUs: number;
  listed: boolean;
  changedAtMs: number;
}

/** What a vendor really has and has sold, by its own clock: the independent truth. Decides one thing at a time. */
export class Books {
  readonly entries = new Map<string, Entry>();
  /** SKUs that were sold to others. */
  readonly soldOutside = new Set<string>();
  /** What was sent and has not arrived yet. */
  private late: Purchase[] = [];
  private readonly shelves: Map<string, Shelf>;
  private published: Picture;

  constructor(
    stock: Record<string, number>,
    /** Stands still unless it ticks: much happens within one millisecond. */
    private clockMs: number,
    /** So far the clock of its listings runs ahead of the one that dates its acceptances. */
    private readonly feedAheadMs = 0,
  ) {
    const changedAtMs = this.feedMs - 1;
    this.shelves = new Map(
      Object.entries(stock).map(([sku, quantity]) => [
        sku,
        { quantity, withoutUs: quantity, listed: true, changedAtMs },
      ]),
    );
    this.published = this.present();
  }

  /** What the clock of its listings says. */
  get feedMs(): number {
    return this.clockMs + this.feedAheadMs;
  }

  quantityOf(sku: string): number {
    return this.shelves.get(sku)!.quantity;
  }

  /** What there would be had we bought so much, and nothing else. */
  quantityAfter(sku: string, bought: number): number {
    return this.shelves.get(sku)!.withoutUs - bought;
  }

  isListed(sku: string): boolean {
    return this.shelves.get(sku)!.listed;
  }

  tick(): void {
    this.clockMs += 1;
  }

  purchase({ reference, sku, quantity }: Purchase): Entry {
    const known = this.entries.get(reference);
    if (known) return known;
    const shelf = this.shelves.get(sku);
    if (!shelf) return this.write({ reference, sku, quantity, status: 'refused', code: 'UNKNOWN_SKU' });
    if (shelf.quantity < quantity) {
      return this.write({ reference, sku, quantity, status: 'refused', code: 'OUT_OF_STOCK' });
    }
    this.move(shelf, -quantity);
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
      this.move(this.shelves.get(entry.sku)!, entry.quantity);
    }
    if (!entry) this.write({ reference, sku: '', quantity: 0, status: 'closed', code: 'CANCELLED' });
  }

  sellOutside(quantity: number): void {
    const sku = SKUS[1];
    const shelf = this.shelves.get(sku)!;
    const sold = Math.min(quantity, shelf.quantity);
    this.move(shelf, -sold);
    shelf.withoutUs -= sold;
    this.soldOutside.add(sku);
  }

  restock(sku: string, quantity: number): void {
    const shelf = this.shelves.get(sku)!;
    this.move(shelf, quantity);
    shelf.withoutUs += quantity;
  }

  /** Takes it off the listing, unless that would be empty, or puts it back. What was ordered is sold all the same. */
  list(sku: string, listed: boolean): void {
    const shelf = this.shelves.get(sku)!;
    const others = [...this.shelves.values()].filter((other) => other !== shelf && other.listed);
    if (shelf.listed === listed || (!listed && others.length === 0)) return;
    shelf.listed = listed;
    shelf.changedAtMs = this.feedMs;
  }

  publish(): void {
    this.published = this.present();
  }

  picture(feed: Feed): Picture {
    switch (feed) {
      case 'fresh':
        return this.present();
      case 'delayed':
        return this.published;
      case 'lowerBound':
        return { ...this.present(), asOfMs: this.published.asOfMs };
    }
  }

  /** Contains all that was decided before its time, and perhaps some of what was decided in that very millisecond. */
  private present(): Picture {
    const items = [...this.shelves].filter(([, { listed }]) => listed);
    return {
      asOfMs: this.feedMs,
      items: items.map(([sku, { quantity, changedAtMs }]) => ({ sku, quantity, changedAtMs })),
    };
  }

  private move(shelf: Shelf, quantity: number): void {
    shelf.quantity += quantity;
    shelf.changedAtMs = this.feedMs;
  }

  private write(decided: Omit<Entry, 'decidedAtMs'>): Entry {
    const entry = { ...decided, decidedAtMs: this.clockMs };
    this.entries.set(entry.reference, entry);
    return entry;
  }
}
