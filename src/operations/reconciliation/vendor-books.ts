import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../database/sql';
import { OrderEventsRepository } from '../../orders/order-events.repository';
import { OrderRepository } from '../../orders/order.repository';
import { SpareCalls } from '../../vendors/spare-calls';
import type { Vendor } from '../../vendors/vendor';
import { VendorRegistry } from '../../vendors/vendor-registry';
import { ORDER_CASE_KINDS } from './case';
import { type Candidate, CandidateRepository, type Place, type Pointer } from './candidate.repository';
import { CaseRepository } from './case.repository';
import { type BooksAnswer, type Comparison, compare } from './comparison';
import type { PartInHand } from './part-in-hand';

/** Look-ups of one part: about an hour at a vendor that answers in 100 ms. The next run goes on. */
const LOOK_UPS_MAX = 20_000;
const BATCH_ORDERS = 100;
/** After each look-up one rests as long as it took, so that it takes half of one slot at most; never longer than this. */
const REST_MS_MAX = 1000;
/** A vendor that wants to be left alone for longer, or says so again and again, is left alone until the next run. */
const RETRY_AFTER_MS_MAX = 60_000;
const RATE_LIMITED_MAX = 3;

/** Of an order that is on its way nobody need ask: dispatch does. */
const DISPATCHED: BooksAnswer = { outcome: 'not_asked', detail: 'it is being dispatched' };

/** A part's way through a vendor's books. */
interface Reading {
  part: PartInHand;
  vendor: Vendor;
  signal: AbortSignal;
  seen: Set<string>;
  rateLimited: number;
  /** Why the vendor is not asked any more. */
  closed: string | undefined;
}

/** Compares a vendor's orders with its books, by look-up, one at a time. */
@Injectable()
export class VendorBooks {
  constructor(
    private readonly dataSource: DataSource,
    private readonly registry: VendorRegistry,
    private readonly calls: SpareCalls,
    private readonly candidates: CandidateRepository,
    private readonly cases: CaseRepository,
    private readonly orders: OrderRepository,
    private readonly events: OrderEventsRepository,
  ) {}

  /**
   * First the orders that something points to. Then, for an operator, the newest of the last days; on schedule those that
   * were not compared yet, each once, an hour after it was decided.
   */
  async read(part: PartInHand, vendor: Vendor, signal: AbortSignal): Promise<void> {
    const reading: Reading = {
      part,
      vendor,
      signal,
      seen: new Set(),
      rateLimited: 0,
      closed: undefined,
    };
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
      for (const order of batch) await this.compare(reading, order);
      if (batch.length < BATCH_ORDERS) return;
      after = batch.at(-1)!.orderId;
    }
  }

  private async readNewest(reading: Reading): Promise<void> {
    const { vendor } = reading;
    for (let before: Place | undefined; ;) {
      const batch = await this.candidates.before(this.dataSource.manager, vendor, before, BATCH_ORDERS);
      if ((await this.compareAll(reading, batch)) === undefined || batch.length < BATCH_ORDERS) return;
      before = batch.at(-1);
    }
  }

  private async readRevisited(reading: Reading): Promise<void> {
    for (let after = ''; ;) {
      const batch = await this.pointedTo(reading, 'revisited', after);
      const unsaid = await this.compareAll(reading, batch);
      if (unsaid === undefined || batch.length === 0) return;
      const said = batch.map(({ orderId }) => orderId).filter((orderId) => !unsaid.includes(orderId));
      await reading.part.write((tx) => this.candidates.endRevisit(tx, said));
      after = batch.at(-1)!.orderId;
    }
  }

  private async readSinceMark(reading: Reading): Promise<void> {
    const { part, vendor } = reading;
    const { vendorId } = vendor;
    for (let mark = await this.candidates.mark(this.dataSource.manager, vendorId); ;) {
      const batch = await this.candidates.since(this.dataSource.manager, vendor, mark, BATCH_ORDERS);
      const last = batch.at(-1);
      const ripe = batch.filter(({ decidedForLong, atRest }) => decidedForLong && atRest);
      const unsaid = await this.compareAll(reading, ripe);
      if (unsaid === undefined || !last) return;
      const unripe = batch.filter((order) => !ripe.includes(order)).map(({ orderId }) => orderId);
      await part.write(async (tx) => {
        await this.candidates.revisit(tx, vendorId, [...unripe, ...unsaid]);
        await this.candidates.moveMark(tx, vendorId, last);
      });
      mark = last;
    }
  }

  private pointedTo({ vendor }: Reading, pointer: Pointer, after: string): Promise<Candidate[]> {
    return this.candidates.pointedTo(this.dataSource.manager, vendor, pointer, after, BATCH_ORDERS);
  }

  /** Answers the orders of which nothing could be said; undefined where the vendor may not be asked any more. */
  private async compareAll(reading: Reading, orders: Candidate[]): Promise<string[] | undefined> {
    const unsaid: string[] = [];
    for (const order of orders) {
      const isSaid = await this.compare(reading, order);
      if (reading.closed !== undefined) return undefined;
      if (!isSaid) unsaid.push(order.orderId);
    }
    return unsaid;
  }

  /** Answers whether it is known how the order stands in the vendor's books. */
  private async compare(reading: Reading, order: Candidate): Promise<boolean> {
    const { part, seen, signal } = reading;
    signal.throwIfAborted();
    if (seen.has(order.orderId)) return true;
    if (!order.atRest) return false;
    seen.add(order.orderId);
    const isGoing = order.status === 'pending' && !order.needsAttention;
    if (isGoing && !order.hasCase) return false;
    const askedAt = new Date().toISOString();
    const answer = isGoing ? DISPATCHED : await this.lookUp(reading, order);
    const comparison = compare(order, answer, askedAt);
    await this.file(part, order, comparison);
    return comparison !== 'unsaid';
  }

  private async lookUp(reading: Reading, { orderId }: Candidate): Promise<BooksAnswer> {
    const { part, vendor, signal } = reading;
    if (reading.closed !== undefined) return { outcome: 'not_asked', detail: reading.closed };
    const adapter = this.registry.adapterOf(vendor);
    const startedAt = performance.now();
    const answer = await this.calls.make(vendor, () => adapter.lookUp(vendor, orderId), signal);
    if (answer.outcome === 'not_asked') reading.closed = answer.detail;
    else {
      part.progress.compared += 1;
      await this.rest(reading, answer, performance.now() - startedAt);
      if (part.progress.compared >= LOOK_UPS_MAX) reading.closed = `one run asks about ${LOOK_UPS_MAX}`;
    }
    if (reading.closed !== undefined) part.fallShort(`Not every order was compared: ${reading.closed}.`);
    return answer;
  }

  /** A vendor's rate limit is kept to: it is waited for, and after a few times the vendor is asked no more. */
  private async rest(reading: Reading, answer: BooksAnswer, tookMs: number): Promise<void> {
    const { vendor, signal } = reading;
    const askedForMs = answer.outcome === 'unknown' ? (answer.retryAfterMs ?? 0) : 0;
    reading.rateLimited = answer.outcome === 'unknown' && answer.rateLimited ? reading.rateLimited + 1 : 0;
    if (askedForMs > RETRY_AFTER_MS_MAX || reading.rateLimited >= RATE_LIMITED_MAX) {
      reading.closed = `${vendor.name} asks us to wait`;
      return;
    }
    await pause(Math.max(askedForMs, Math.min(tookMs, REST_MS_MAX)), undefined, { signal });
  }

  /** What was found of an order that is still as it was. */
  private async file(part: PartInHand, order: Candidate, comparison: Comparison): Promise<void> {
    if (comparison === 'unsaid') return;
    if (comparison === 'agree' && !order.hasCase && !order.needsAttention) return;
    if (part.claim.dryRun) {
      if (comparison !== 'agree') part.tell(comparison, await this.cases.foretell(this.dataSource.manager, comparison));
      return;
    }
    await part.write(async (tx) => {
      if (!(await this.candidates.isStill(tx, order))) return;
      if (comparison === 'agree') return this.agree(tx, part, order);
      const { kind } = comparison;
      // What its books had is worth more than that they cannot be read at the moment.
      if (kind === 'givenUpAndUnknown' && (await this.cases.hasAnswer(tx, order.orderId, order.claimToken))) return;
      const others = ORDER_CASE_KINDS.filter((other) => other !== kind);
      part.progress.closed += await this.cases.closeOf(tx, order.orderId, others);
      part.tell(comparison, await this.cases.file(tx, part.claim.vendorId, comparison));
    });
  }

  /** A failed order waits because its vendor had it: no longer. */
  private async agree(
    tx: Transaction,
    part: PartInHand,
    { orderId, status, needsAttention }: Candidate,
  ): Promise<void> {
    part.progress.closed += await this.cases.closeOf(tx, orderId, ORDER_CASE_KINDS);
    if (status !== 'failed' || !needsAttention) return;
    await this.orders.endRecall(tx, orderId);
    await this.orders.endAttention(tx, orderId);
    await this.events.add(tx, orderId, 'recalled', "Compared with the vendor's books: it does not have it any more.");
  }
}
