/**
 * A vendor's books and its clock: what happens is written to the ledger and then known to the stock book, and no answer
 * leaves before `onDisk()`, so that nothing an answer could have seen is lost with the process.
 */
import type { SimulatedVendor } from './catalogue';
import { generatedCatalogue } from './generated-catalogue';
import { Ledger, ledgerPath } from './ledger';
import type { LedgerEvent } from './ledger-event';
import { type Catalogue, writtenCatalogue } from './shelves';
import { StockBook } from './stock-book';
import { type TimeSource, VendorClock } from './vendor-clock';

export interface Surroundings {
  skewMs: () => number;
  time: TimeSource;
  notice: (sentence: string) => void;
}

export class Books {
  private constructor(
    private readonly ledger: Ledger,
    readonly stock: StockBook,
    readonly clock: VendorClock,
  ) {}

  /** Reads the vendor's ledger from `dataDir` and goes on from it. @throws Error if it cannot be read. */
  static async open(vendor: SimulatedVendor, dataDir: string, { skewMs, time, notice }: Surroundings): Promise<Books> {
    const stock = new StockBook(catalogueOf(vendor));
    const path = ledgerPath(dataDir, vendor.vendorId);
    const ledger = await Ledger.open(path, (event) => stock.apply(event), notice);
    return new Books(ledger, stock, new VendorClock(stock.latestMs, skewMs, time));
  }

  /** The ledger first: when it refuses, the book must not know either. */
  record(event: LedgerEvent): void {
    this.ledger.append(event);
    this.stock.apply(event);
  }

  timestamp(): string {
    return iso(this.clock.now());
  }

  /** Resolves when everything recorded so far is on disk. */
  onDisk(): Promise<void> {
    return this.ledger.onDisk();
  }

  /** Resolves once everything is on disk. */
  close(): Promise<void> {
    return this.ledger.close();
  }
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function catalogueOf({ catalogue }: SimulatedVendor): Catalogue {
  if (!('generated' in catalogue)) return writtenCatalogue(catalogue);
  return generatedCatalogue(catalogue.generated.count, catalogue.generated.seed);
}
