/**
 * What a vendor has and has sold, as its ledger tells it. Pure: the same events give the same book, it reads no clock
 * and no file, and every decision is made in the order of arrival within one turn of the event loop, so it never sells
 * more than it has.
 */
import type { CatalogueItem } from './catalogue';
import type { LedgerEvent, RefusalCode } from './ledger-event';

/** One purchase, or the refusal of one. A refusal has neither an id nor a time of acceptance. */
export interface Purchase {
  readonly reference: string;
  readonly vendorOrderId: string | null;
  readonly sku: string;
  readonly quantity: number;
  readonly acceptedAt: string | null;
  status: 'accepted' | 'cancelled' | 'refused';
  readonly code?: RefusalCode;
}

/** What the books say about a reference. More than one purchase here would be the bug the ledger is there to show. */
export interface Standing {
  readonly purchases: Purchase[];
  closed: boolean;
}

export class StockBook {
  /** Every purchase and refusal in the order of the ledger, straight from its events and never made unique. */
  readonly purchases: Purchase[] = [];
  /** Grows with every change to the listing. */
  version = 0;
  /** The vendor's clock at the last change to the listing. */
  lastChangeMs = -Infinity;
  /** The latest time in the ledger. */
  latestMs = -Infinity;
  acceptances = 0;

  private readonly standings = new Map<string, Standing>();
  private readonly items: Map<string, CatalogueItem>;
  /** Sorted, so that a page can go on after a SKU that has left the listing meanwhile. */
  private readonly skus: string[];

  constructor(catalogue: readonly CatalogueItem[]) {
    this.items = new Map(catalogue.map((item) => [item.sku, item]));
    this.skus = [...this.items.keys()].sort(byCodeUnit);
  }

  get references(): number {
    return this.standings.size;
  }

  get size(): number {
    return this.skus.length;
  }

  standing(reference: string): Standing | undefined {
    return this.standings.get(reference);
  }

  item(sku: string): CatalogueItem | undefined {
    return this.items.get(sku);
  }

  /** The SKU at this place of the sorted listing. */
  skuAt(index: number): string | undefined {
    return this.skus[index];
  }

  /** Why this cannot be sold now, or undefined if it can. */
  refusal(sku: string, quantity: number): RefusalCode | undefined {
    const item = this.items.get(sku);
    if (!item) return 'UNKNOWN_SKU';
    return item.quantity < quantity ? 'OUT_OF_STOCK' : undefined;
  }

  /** The items after a SKU, ascending, or before it, descending. */
  page(order: 'ascending' | 'descending', after: string | null, limit: number): CatalogueItem[] {
    const step = order === 'ascending' ? 1 : -1;
    let index = step === 1 ? 0 : this.skus.length - 1;
    if (after !== null) {
      index = this.placeOf(after);
      if (step === -1) index -= 1;
      else if (this.skus[index] === after) index += 1;
    }
    const page: CatalogueItem[] = [];
    for (; page.length < limit && index >= 0 && index < this.skus.length; index += step) {
      page.push(this.listed(this.skus[index] as string));
    }
    return page;
  }

  apply(event: LedgerEvent): void {
    const atMs = Date.parse(event.at);
    this.latestMs = Math.max(this.latestMs, atMs);
    if (this.enter(event)) {
      this.version += 1;
      this.lastChangeMs = atMs;
    }
  }

  /** Answers whether the event changed the listing. */
  private enter(event: LedgerEvent): boolean {
    switch (event.type) {
      case 'accepted':
        this.acceptances += 1;
        this.enterPurchase({ ...purchaseOf(event), vendorOrderId: event.vendorOrderId, acceptedAt: event.at });
        return this.move(event.sku, -event.quantity);
      case 'refused':
        this.enterPurchase({ ...purchaseOf(event), status: 'refused', code: event.code });
        return false;
      case 'cancelled':
        return this.cancel(event.reference, event.vendorOrderId);
      case 'closed':
        this.standingOrNew(event.reference).closed = true;
        return false;
      case 'soldOutside':
        return this.move(event.sku, -event.quantity);
      case 'adjusted':
        return this.put({ sku: event.sku, name: event.name, quantity: event.quantity, price: event.price });
      case 'delisted':
        return this.remove(event.sku);
      case 'clock':
        return false;
    }
  }

  private enterPurchase(purchase: Purchase): void {
    this.purchases.push(purchase);
    this.standingOrNew(purchase.reference).purchases.push(purchase);
  }

  private cancel(reference: string, vendorOrderId: string): boolean {
    const standing = this.standingOrNew(reference);
    standing.closed = true;
    const purchase = standing.purchases.find((each) => each.vendorOrderId === vendorOrderId);
    if (purchase?.status !== 'accepted') return false;
    purchase.status = 'cancelled';
    return this.move(purchase.sku, purchase.quantity);
  }

  private standingOrNew(reference: string): Standing {
    const known = this.standings.get(reference);
    if (known) return known;
    const standing: Standing = { purchases: [], closed: false };
    this.standings.set(reference, standing);
    return standing;
  }

  /** A product that has left the listing has no stock to move. */
  private move(sku: string, quantity: number): boolean {
    const item = this.items.get(sku);
    if (!item) return false;
    this.items.set(sku, { ...item, quantity: item.quantity + quantity });
    return true;
  }

  private put(item: CatalogueItem): boolean {
    if (!this.items.has(item.sku)) this.skus.splice(this.placeOf(item.sku), 0, item.sku);
    this.items.set(item.sku, item);
    return true;
  }

  private remove(sku: string): boolean {
    if (!this.items.delete(sku)) return false;
    this.skus.splice(this.placeOf(sku), 1);
    return true;
  }

  /** Below zero is possible only after a start with a smaller catalogue than the ledger was written against. */
  private listed(sku: string): CatalogueItem {
    const item = this.items.get(sku) as CatalogueItem;
    return item.quantity < 0 ? { ...item, quantity: 0 } : item;
  }

  /** The first place whose SKU is not before this one. */
  private placeOf(sku: string): number {
    let low = 0;
    let high = this.skus.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.skus[middle] as string) < sku) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function purchaseOf(event: { reference: string; sku: string; quantity: number }): Purchase {
  const { reference, sku, quantity } = event;
  return { reference, vendorOrderId: null, sku, quantity, acceptedAt: null, status: 'accepted' };
}

function byCodeUnit(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
