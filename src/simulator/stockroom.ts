/**
 * What a vendor tells of its stock (listings, deltas), and what changes there besides orders. Knows no dialect and no
 * HTTP.
 */
import { randomUUID } from 'node:crypto';
import { type Books, iso } from './books';
import { type CatalogueItem, STOCK_QUANTITY_MAX } from './catalogue';
import type { Shelves } from './shelves';

const NEW_ITEM = { quantity: 0, price: '10.00' };

/** Which listing a reader is going through; what does not change from its first page to its last. */
export interface Listing {
  /** Taken before any quantity is read, which is what makes it a lower bound. */
  readonly asOfMs: number;
  /** The last change that is surely contained. */
  readonly sequence: number;
  /** `start` is the listing as it was when the simulator started. */
  readonly source: 'now' | 'start';
  readonly order: 'ascending' | 'descending';
}

/** Changed products, each once; who goes on after `through` misses none. */
export interface Changes {
  readonly items: CatalogueItem[];
  readonly through: number;
  readonly more: boolean;
}

export class Stockroom {
  private readonly start: { readonly shelves: Shelves; readonly asOfMs: number; readonly sequence: number };
  private readonly versionPrefix = randomUUID().slice(0, 8);

  constructor(private readonly books: Books) {
    const { shelves, changes } = books.stock;
    this.start = { shelves: shelves.copy(), asOfMs: books.clock.now(), sequence: changes.latest };
  }

  async beginListing(source: Listing['source'], order: Listing['order']): Promise<Listing> {
    if (source === 'start') return { ...this.start, source, order };
    const { clock, stock } = this.books;
    const asOfMs = clock.now();
    const sequence = stock.changes.latest;
    // Only the ledger can remember a time that the machine's clock has not reached.
    if (clock.isAhead(asOfMs)) this.books.record({ type: 'clock', at: iso(asOfMs) });
    await this.books.onDisk();
    return { asOfMs, sequence, source, order };
  }

  sizeOf({ source }: Pick<Listing, 'source'>): number {
    return this.shelvesOf(source).size;
  }

  /** The items after a SKU, which may have left the listing meanwhile. */
  pageAfter(listing: Listing, sku: string | null, rowsMax: number): Promise<CatalogueItem[]> {
    const { order, source } = listing;
    const shelves = this.shelvesOf(source);
    if (sku === null) return this.pageAt(listing, 0, rowsMax);
    const place = shelves.placeOf(sku);
    const isListed = shelves.rowOf(sku) !== undefined;
    return this.pageFrom(listing, order === 'descending' ? place - 1 : isListed ? place + 1 : place, rowsMax);
  }

  /** The items after so many others. */
  pageAt(listing: Listing, rowsBefore: number, rowsMax: number): Promise<CatalogueItem[]> {
    const place = listing.order === 'ascending' ? rowsBefore : this.sizeOf(listing) - 1 - rowsBefore;
    return this.pageFrom(listing, place, rowsMax);
  }

  /** The listed products that changed after one change and up to another, oldest change first, as they are now. */
  async changes(after: number, until: number, rowsMax: number): Promise<Changes> {
    const { shelves, changes } = this.books.stock;
    const { rows, ...rest } = changes.between(after, until, rowsMax, (row) => shelves.isListed(row));
    const items = rows.map((row) => shelves.item(row));
    await this.books.onDisk();
    return { items, ...rest };
  }

  /** The number of the last change before a time, for a delta that begins there; undefined: too long ago. */
  lastChangeBefore(ms: number, changesMax: number): number | undefined {
    const after = this.books.stock.changes.lastBefore(ms);
    return after !== undefined && this.reaches(after, changesMax) ? after : undefined;
  }

  /** Whether a delta can begin after this change. */
  reaches(after: number, changesMax: number): boolean {
    return this.books.stock.changes.reaches(after, changesMax);
  }

  /** The listing as it is now, for good, and the mark of this very state. */
  async picture(source: Listing['source']): Promise<{ shelves: Shelves; version: string }> {
    const { shelves, changes } = this.books.stock;
    const picture = {
      shelves: source === 'start' ? this.start.shelves : shelves.copy(),
      version: `${this.versionPrefix}-${changes.latest}`,
    };
    await this.books.onDisk();
    return picture;
  }

  /**
   * A mark that stays the same as long as the listing does. None while the last change could still carry the time of
   * this listing: a reader who is told "unchanged" keeps its old `asOf`, and would never learn that a sale made in that
   * very millisecond is contained.
   */
  unchangedMark(asOfMs: number): string | undefined {
    const { latest, latestMs } = this.books.stock.changes;
    return latestMs < asOfMs ? `${this.versionPrefix}-${latest}` : undefined;
  }

  /** Sets what is said and keeps the rest; an unknown SKU is created. */
  async adjust(sku: string, change: Partial<Omit<CatalogueItem, 'sku'>>): Promise<CatalogueItem> {
    const { shelves } = this.books.stock;
    const row = shelves.rowOf(sku);
    const item = { ...NEW_ITEM, name: sku, ...(row !== undefined && shelves.item(row)), ...change, sku };
    this.books.record({ type: 'adjusted', at: this.books.timestamp(), ...item });
    await this.books.onDisk();
    return item;
  }

  async delist(sku: string): Promise<boolean> {
    const isListed = this.books.stock.shelves.rowOf(sku) !== undefined;
    if (isListed) this.books.record({ type: 'delisted', at: this.books.timestamp(), sku });
    await this.books.onDisk();
    return isListed;
  }

  /** Gives so many products another quantity, each once. Answers how many there were. */
  async touch(productsMax: number, seed: number): Promise<number> {
    const count = Math.min(productsMax, this.books.stock.shelves.size);
    if (count > 0) this.books.record({ type: 'touched', at: this.books.timestamp(), count, seed });
    await this.books.onDisk();
    return count;
  }

  /** Sells one of a product to somebody else, at a place of the listing between 0 and 1. Answers whether it had one. */
  sellOutside(place: number): boolean {
    const row = this.rowAt(place);
    return row !== undefined && row.quantity > 0 && this.moveOne('soldOutside', row.sku);
  }

  /** Gets one more of a product, at a place of the listing between 0 and 1. Answers whether there was room for it. */
  restock(place: number): boolean {
    const row = this.rowAt(place);
    return row !== undefined && row.quantity < STOCK_QUANTITY_MAX && this.moveOne('restocked', row.sku);
  }

  private async pageFrom({ source, order }: Listing, place: number, rowsMax: number): Promise<CatalogueItem[]> {
    const page = this.shelvesOf(source).page(order, place, rowsMax);
    await this.books.onDisk();
    return page;
  }

  private shelvesOf(source: Listing['source']): Shelves {
    return source === 'now' ? this.books.stock.shelves : this.start.shelves;
  }

  private rowAt(place: number): { sku: string; quantity: number } | undefined {
    const { shelves } = this.books.stock;
    const row = shelves.rowAt(Math.floor(place * shelves.size));
    return row === undefined ? undefined : { sku: shelves.skuOf(row), quantity: shelves.quantityOf(row) };
  }

  private moveOne(type: 'soldOutside' | 'restocked', sku: string): true {
    this.books.record({ type, at: this.books.timestamp(), sku, quantity: 1 });
    return true;
  }
}
