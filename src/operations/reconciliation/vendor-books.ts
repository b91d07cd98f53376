import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { SpareCalls } from '../../vendors/spare-calls';
import type { Vendor } from '../../vendors/vendor';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { BooksInHand } from './books-in-hand';
import { type Candidate, CandidateRepository, HORIZON_DAYS, type Place, type Pointer } from './candidate.repository';
import { ForgottenOrders } from './forgotten-orders';
import { ListedRepository } from './listed.repository';
import { OrderComparing, type Reading } from './order-comparing';
import { OrderListReading } from './order-list-reading';
import type { PartInHand } from './part-in-hand';
import { ProgressRepository } from './progress.repository';

const BATCH_ORDERS = 100;
/** Of the many that were not compared yet: what lies between two batches should cost little beside 500 look-ups. */
const BATCH_ORDERS_SINCE_MARK = 500;
/** A long reading is left so often for the orders that have begun to wait for an operator meanwhile. */
const ATTEND_EVERY_MS = 15_000;

/** Compares a vendor's orders with its books, by look-up. */
@Injectable()
export class VendorBooks {
  constructor(
    private readonly dataSource: DataSource,
    private readonly registry: VendorRegistry,
    private readonly calls: SpareCalls,
    private readonly candidates: CandidateRepository,
    private readonly comparing: OrderComparing,
    private readonly progress: ProgressRepository,
    private readonly lists: OrderListReading,
    private readonly listed: ListedRepository,
    private readonly forgotten: ForgottenOrders,
  ) {}

  /**
   * First the orders that something points to. Then, for an operator, the newest of the last days; on schedule those that
   * were not compared yet, each once, an hour after it was decided.
   */
  async read(part: PartInHand, vendor: Vendor, signal: AbortSignal): Promise<void> {
    const books = new BooksInHand(part, vendor, (asked) => this.registry.adapterOf(asked), this.calls, signal);
    const reading: Reading = { books, seen: new Set() };
    const { trigger } = part.claim;
    if (trigger === 'attention') return this.readPointedTo(reading, 'uncased');
    await this.readPointedTo(reading, 'cased');
    await this.readPointedTo(reading, 'attention');
    await this.lists.read(reading);
    await this.forgotten.compareCased(books);
    if (trigger === 'manual') return this.readNewest(reading);
    await this.readRevisited(reading);
    await this.readSinceMark(reading);
  }

  /** Also where the vendor cannot be asked: that an order waits for an operator is known without it. */
  private async readPointedTo(reading: Reading, pointer: Pointer): Promise<void> {
    for (let after = ''; ;) {
      const batch = await this.pointedTo(reading, pointer, after);
      await this.comparing.compareToTheLast(reading, batch);
      if (batch.length < BATCH_ORDERS) return;
      after = batch.at(-1)!.orderId;
    }
  }

  private async readNewest(reading: Reading): Promise<void> {
    const { vendor } = reading.books;
    for (let before: Place | undefined; ;) {
      const batch = await this.candidates.before(this.dataSource.manager, vendor, before, BATCH_ORDERS);
      await this.comparing.compareAll(reading, batch);
      if (reading.books.closed || batch.length < BATCH_ORDERS) return;
      before = batch.at(-1);
    }
  }

  private async readRevisited(reading: Reading): Promise<void> {
    for (let after = ''; ;) {
      const batch = await this.pointedTo(reading, 'revisited', after);
      if (batch.length === 0) return;
      const { said } = await this.comparing.compareAll(reading, batch);
      await reading.books.part.write(async (tx) => {
        await this.candidates.endRevisit(tx, [...said]);
        await this.listed.forget(tx, [...said]);
      });
      if (reading.books.closed) return;
      after = batch.at(-1)!.orderId;
    }
  }

  private async readSinceMark(reading: Reading): Promise<void> {
    const { part, vendor, closed } = reading.books;
    if (closed) return;
    const mark = await this.begin(part, vendor.vendorId);
    let attendedAt = performance.now();
    for (let after: Place | undefined = mark; after;) {
      after = await this.readAfter(reading, after);
      if (performance.now() - attendedAt < ATTEND_EVERY_MS) continue;
      await this.readPointedTo({ books: reading.books, seen: new Set() }, 'uncased');
      attendedAt = performance.now();
    }
  }

  /** The mark; what lies before the horizon is passed over, and said. */
  private async begin(part: PartInHand, vendorId: string): Promise<Place> {
    const { skipped, ...mark } = await this.candidates.mark(this.dataSource.manager, vendorId);
    if (skipped === 0) return mark;
    part.progress.skipped += skipped;
    part.fallShort(
      `${skipped} orders placed before ${mark.createdAt} were passed over: they are older than ${HORIZON_DAYS} days.`,
    );
    await part.write(async (tx) => {
      await this.progress.skip(tx, vendorId, skipped);
      await this.candidates.moveMark(tx, vendorId, mark);
    });
    return mark;
  }

  /** One batch. Answers where to go on. */
  private async readAfter(reading: Reading, mark: Place): Promise<Place | undefined> {
    const { books } = reading;
    const { part, vendor } = books;
    const { vendorId } = vendor;
    const batch = await this.candidates.since(this.dataSource.manager, vendor, mark, BATCH_ORDERS_SINCE_MARK);
    const ripe = batch.filter(({ decidedForLong, atRest }) => decidedForLong && atRest);
    const { said, notReached } = await this.comparing.compareAll(reading, ripe);
    const reached = notReached ? batch.slice(0, batch.indexOf(notReached)) : batch;
    const last = reached.at(-1);
    if (!last) return undefined;
    const unsaid = reached.map(({ orderId }) => orderId).filter((orderId) => !said.has(orderId));
    await part.write(async (tx) => {
      await this.candidates.revisit(tx, vendorId, unsaid);
      await this.listed.forget(tx, [...said]);
      await this.candidates.moveMark(tx, vendorId, last);
    });
    return books.closed ? undefined : last;
  }

  private pointedTo({ books: { vendor } }: Reading, pointer: Pointer, after: string): Promise<Candidate[]> {
    return this.candidates.pointedTo(this.dataSource.manager, vendor, pointer, after, BATCH_ORDERS);
  }
}
