/**
 * What a vendor has and has sold, as its ledger tells it. Pure: the same events give the same book, it reads no clock
 * and no file, and every decision is made in the order of arrival within one turn of the event loop, so it never sells
 * more than it has.
 */
import type { CatalogueItem } from './catalogue';
import { ChangeLog } from './change-log';
import { mix } from './generated-catalogue';
import type { LedgerEvent, RefusalCode } from './ledger-event';
import { anotherQuantity, scatteredPlaces } from './touch';
import { type Catalogue, Shelves } from './shelves';

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

/** An order that was taken in and is not decided yet. */
export interface QueuedOrder {
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
}

export class StockBook {
  /** Every purchase and refusal in the order of the ledger, straight from its events and never made unique. */
  readonly purchases: Purchase[] = [];
  readonly shelves: Shelves;
  /** Every change to the listing. */
  readonly changes: ChangeLog;
  /** In the order they came in. */
  readonly queued = new Map<string, QueuedOrder>();
  /** When each reference changed last, the earliest first. */
  readonly changedMs = new Map<string, number>();
  /** The latest time in the ledger. */
  latestMs = -Infinity;
  acceptances = 0;

  private readonly standings = new Map<string, Standing>();

  constructor(catalogue: Catalogue) {
    this.shelves = Shelves.from(catalogue);
    this.changes = new ChangeLog(catalogue.size);
  }

  get references(): number {
    return this.standings.size + this.queued.size;
  }

  standing(reference: string): Standing | undefined {
    return this.standings.get(reference);
  }

  /** Why this cannot be sold now, or undefined if it can. */
  refusal(sku: string, quantity: number): RefusalCode | undefined {
    const row = this.shelves.rowOf(sku);
    if (row === undefined) return 'UNKNOWN_SKU';
    return this.shelves.quantityOf(row) < quantity ? 'OUT_OF_STOCK' : undefined;
  }

  apply(event: LedgerEvent): void {
    const atMs = Date.parse(event.at);
    this.latestMs = Math.max(this.latestMs, atMs);
    if ('reference' in event) {
      this.changedMs.delete(event.reference);
      this.changedMs.set(event.reference, atMs);
    }
    switch (event.type) {
      case 'queued':
        this.queued.set(event.reference, orderIn(event));
        return;
      case 'accepted':
        this.acceptances += 1;
        this.enterPurchase({ ...purchaseOf(event), vendorOrderId: event.vendorOrderId, acceptedAt: event.at });
        return this.move(event.sku, -event.quantity, atMs);
      case 'refused':
        return this.enterPurchase({ ...purchaseOf(event), status: 'refused', code: event.code });
      case 'cancelled':
        return this.cancel(event.reference, event.vendorOrderId, atMs);
      case 'closed':
        this.queued.delete(event.reference);
        this.standingOrNew(event.reference).closed = true;
        return;
      case 'soldOutside':
        return this.move(event.sku, -event.quantity, atMs);
      case 'restocked':
        return this.move(event.sku, event.quantity, atMs);
      case 'adjusted':
        return this.changes.record(this.shelves.put(itemIn(event)), atMs);
      case 'delisted':
        return this.remove(event.sku, atMs);
      case 'touched':
        return this.touch(event.count, event.seed, atMs);
      case 'clock':
        return;
    }
  }

  private enterPurchase(purchase: Purchase): void {
    this.queued.delete(purchase.reference);
    this.purchases.push(purchase);
    this.standingOrNew(purchase.reference).purchases.push(purchase);
  }

  private cancel(reference: string, vendorOrderId: string, atMs: number): void {
    const standing = this.standingOrNew(reference);
    standing.closed = true;
    const purchase = standing.purchases.find((each) => each.vendorOrderId === vendorOrderId);
    if (purchase?.status !== 'accepted') return;
    purchase.status = 'cancelled';
    this.move(purchase.sku, purchase.quantity, atMs);
  }

  private standingOrNew(reference: string): Standing {
    const known = this.standings.get(reference);
    if (known) return known;
    const standing: Standing = { purchases: [], closed: false };
    this.standings.set(reference, standing);
    return standing;
  }

  /** A product that has left the listing has no stock to move. */
  private move(sku: string, quantity: number, atMs: number): void {
    const row = this.shelves.rowOf(sku);
    if (row === undefined) return;
    this.shelves.setQuantity(row, this.shelves.quantityOf(row) + quantity);
    this.changes.record(row, atMs);
  }

  private remove(sku: string, atMs: number): void {
    const row = this.shelves.rowOf(sku);
    if (row === undefined) return;
    this.shelves.remove(row);
    this.changes.record(row, atMs);
  }

  private touch(count: number, seed: number, atMs: number): void {
    for (const place of scatteredPlaces(count, this.shelves.size, seed)) {
      const row = this.shelves.rowAt(place) as number;
      this.shelves.setQuantity(row, anotherQuantity(this.shelves.quantityOf(row), mix(row, seed)));
      this.changes.record(row, atMs);
    }
  }
}

function purchaseOf(event: QueuedOrder): Purchase {
  return { ...orderIn(event), vendorOrderId: null, acceptedAt: null, status: 'accepted' };
}

function orderIn({ reference, sku, quantity }: QueuedOrder): QueuedOrder {
  return { reference, sku, quantity };
}

function itemIn({ sku, name, quantity, price }: CatalogueItem): CatalogueItem {
  return { sku, name, quantity, price };
}
