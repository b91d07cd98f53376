/**
 * What a vendor lists, row by row: a catalogue that is only read, and beside it what has changed. A row is a number
 * that stays with its product; its place in the listing, which is sorted by SKU, moves when others come and go.
 */
import type { CatalogueItem } from './catalogue';

/** Sorted by SKU, in the order of code units. */
export interface Catalogue {
  readonly size: number;
  sku(row: number): string;
  item(row: number): CatalogueItem;
}

interface Label {
  readonly name: string;
  readonly price: string;
}

export class Shelves {
  private constructor(
    private readonly catalogue: Catalogue,
    /** Rows by their place in the listing. */
    private readonly order: number[],
    /** By row. Below zero only after a start with a smaller catalogue than the ledger was written against. */
    private readonly quantities: number[],
    /** By row, where it is not the catalogue's. */
    private readonly labels: Map<number, Label>,
    /** The SKUs of rows that are not in the catalogue. Never shortened, so copies share it. */
    private readonly added: string[],
    /** Rows that have left; whoever comes back does so in a row of its own. */
    private readonly removed: Set<number>,
  ) {}

  static from(catalogue: Catalogue): Shelves {
    const order: number[] = [];
    const quantities: number[] = [];
    for (let row = 0; row < catalogue.size; row++) {
      order.push(row);
      quantities.push(catalogue.item(row).quantity);
    }
    return new Shelves(catalogue, order, quantities, new Map(), [], new Set());
  }

  /** As it is now, for good; 16 bytes a row. */
  copy(): Shelves {
    const { catalogue, order, quantities, labels, added, removed } = this;
    return new Shelves(catalogue, order.slice(), quantities.slice(), new Map(labels), added, new Set(removed));
  }

  /** How many products are listed. */
  get size(): number {
    return this.order.length;
  }

  rowAt(place: number): number | undefined {
    return this.order[place];
  }

  /** Undefined: not listed. */
  rowOf(sku: string): number | undefined {
    const row = this.order[this.placeOf(sku)];
    return row !== undefined && this.skuOf(row) === sku ? row : undefined;
  }

  isListed(row: number): boolean {
    return !this.removed.has(row);
  }

  skuOf(row: number): string {
    return row < this.catalogue.size ? this.catalogue.sku(row) : (this.added[row - this.catalogue.size] as string);
  }

  quantityOf(row: number): number {
    return this.quantities[row] as number;
  }

  /** As it is shown. */
  item(row: number): CatalogueItem {
    const quantity = Math.max(0, this.quantityOf(row));
    const label = this.labels.get(row);
    if (label) return { sku: this.skuOf(row), name: label.name, quantity, price: label.price };
    const { sku, name, price } = this.catalogue.item(row);
    return { sku, name, quantity, price };
  }

  /** The first place whose SKU is not before this one, whether it is listed or not. */
  placeOf(sku: string): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.skuOf(this.order[middle] as number) < sku) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The items from a place on, ascending or descending. */
  page(order: 'ascending' | 'descending', place: number, rowsMax: number): CatalogueItem[] {
    const step = order === 'ascending' ? 1 : -1;
    const page: CatalogueItem[] = [];
    for (let at = place; page.length < rowsMax && at >= 0 && at < this.order.length; at += step) {
      page.push(this.item(this.order[at] as number));
    }
    return page;
  }

  setQuantity(row: number, quantity: number): void {
    this.quantities[row] = quantity;
  }

  /** Lists a product, or replaces it. Answers its row. */
  put(item: CatalogueItem): number {
    const row = this.rowOf(item.sku) ?? this.add(item.sku);
    this.labels.set(row, { name: item.name, price: item.price });
    this.quantities[row] = item.quantity;
    return row;
  }

  remove(row: number): void {
    this.removed.add(row);
    this.order.splice(this.placeOf(this.skuOf(row)), 1);
  }

  private add(sku: string): number {
    const row = this.catalogue.size + this.added.push(sku) - 1;
    this.order.splice(this.placeOf(sku), 0, row);
    return row;
  }
}

export function writtenCatalogue(items: readonly CatalogueItem[]): Catalogue {
  const sorted = [...items].sort((left, right) => (left.sku < right.sku ? -1 : left.sku > right.sku ? 1 : 0));
  return {
    size: sorted.length,
    sku: (row) => (sorted[row] as CatalogueItem).sku,
    item: (row) => sorted[row] as CatalogueItem,
  };
}
