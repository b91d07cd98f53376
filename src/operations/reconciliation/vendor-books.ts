import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { SpareCalls } from '../../vendors/spare-calls';
import type { Vendor } from '../../vendors/vendor';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { BooksInHand } from './books-in-hand';
import { type Candidate, CandidateRepository, type Place, type Pointer } from './candidate.repository';
import { OrderComparing, type Reading } from './order-comparing';
import type { PartInHand } from './part-in-hand';

const BATCH_ORDERS = 100;

/** Compares a vendor's orders with its books, by look-up. */
@Injectable()
export class VendorBooks {
  constructor(
    private readonly dataSource: DataSource,
    private readonly registry: VendorRegistry,
    private readonly calls: SpareCalls,
    private readonly candidates: CandidateRepository,
    private readonly comparing: OrderComparing,
  ) {}

  /**
   * First the orders that something points to. Then, for an operator, the newest of the last days; on schedule those that
   * were not compared yet, each once, an hour after it was decided.
   */
  async read(part: PartInHand, vendor: Vendor, signal: AbortSignal): Promise<void> {
    const books = new BooksInHand(part, vendor, this.registry.adapterOf(vendor), this.calls, signal);
    const reading: Reading = { books, seen: new Set() };
    const { trigger } = part.claim;
    if (trigger === 'attention') return this.readPointedTo(reading, 'uncased');
    await this.readPointedTo(reading, 'cased');
    await this.readPointedTo(reading, 'attention');
    if (trigger === 'manual') return this.readNewest(reading);
    await this.readRevisited(reading);
    await this.readSinceMark(reading);
  }

  /** Also where the vendor cannot be asked: that an order waits for an operator is known without it. */
  private async readPointedTo(reading: Reading, pointer: Pointer): Promise<void> {
    for (let after = ''; ;) {
      const batch = await this.pointedTo(reading, pointer, after);
      for (const order of batch) await this.comparing.compare(reading, order);
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
      await reading.books.part.write((tx) => this.candidates.endRevisit(tx, said));
      if (reading.books.closed) return;
      after = batch.at(-1)!.orderId;
    }
  }

  private async readSinceMark(reading: Reading): Promise<void> {
    const { books } = reading;
    const { part, vendor } = books;
    const { vendorId } = vendor;
    for (let mark = await this.candidates.mark(this.dataSource.manager, vendorId); ;) {
      const batch = await this.candidates.since(this.dataSource.manager, vendor, mark, BATCH_ORDERS);
      const ripe = batch.filter(({ decidedForLong, atRest }) => decidedForLong && atRest);
      const { said, notReached } = await this.comparing.compareAll(reading, ripe);
      const reached = notReached ? batch.slice(0, batch.indexOf(notReached)) : batch;
      const last = reached.at(-1);
      if (!last) return;
      const unsaid = reached.map(({ orderId }) => orderId).filter((orderId) => !said.includes(orderId));
      await part.write(async (tx) => {
        await this.candidates.revisit(tx, vendorId, unsaid);
        await this.candidates.moveMark(tx, vendorId, last);
      });
      if (books.closed) return;
      mark = last;
    }
  }

  private pointedTo({ books: { vendor } }: Reading, pointer: Pointer, after: string): Promise<Candidate[]> {
    return this.candidates.pointedTo(this.dataSource.manager, vendor, pointer, after, BATCH_ORDERS);
  }
}
