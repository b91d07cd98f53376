import { Injectable, Logger } from '@nestjs/common';
import { isTransientDatabaseError } from '../../database/database-errors';
import { storableText } from '../../database/storable';
import type { BooksInHand } from './books-in-hand';
import type { Candidate } from './candidate.repository';
import { type BooksAnswer, compare } from './comparison';
import { FailureRepository } from './failure.repository';
import { Filing } from './filing';
import { PartLost } from './part.repository';

const REASON_LENGTH_MAX = 300;
/** So many comparisons that fail are no longer the orders' own failures: the part is broken off, and says so. */
const FAILURES_MAX = 100;

/** Of an order that is on its way nobody need ask: dispatch does. */
const DISPATCHED: BooksAnswer = { outcome: 'not_asked', detail: 'it is being dispatched' };

/** Some books, and the orders that were compared with them already. */
export interface Reading {
  books: BooksInHand;
  seen: Set<string>;
}

/** What came of some orders. */
export interface Compared {
  /** It is known how they stand in the vendor's books. */
  said: Set<string>;
  /** The first one about which the vendor might not be asked any more; nothing of a later one is known for sure. */
  notReached: Candidate | undefined;
}

/** Compares orders with their vendor's books, one by one: one that cannot be compared keeps no other from it. */
@Injectable()
export class OrderComparing {
  private readonly logger = new Logger(OrderComparing.name);

  constructor(
    private readonly filing: Filing,
    private readonly failures: FailureRepository,
  ) {}

  /** Several at once, until the vendor may not be asked any more: what was compared before stays compared. */
  compareAll(reading: Reading, orders: Candidate[]): Promise<Compared> {
    return this.compareEach(reading, orders, () => reading.books.closed);
  }

  /** The same, to the last: of orders that wait for an operator it is worth knowing that the vendor cannot be asked. */
  async compareToTheLast(reading: Reading, orders: Candidate[]): Promise<void> {
    await this.compareEach(reading, orders, () => false);
  }

  private async compareEach(reading: Reading, orders: Candidate[], ended: () => boolean): Promise<Compared> {
    const said = new Set<string>();
    let next = 0;
    let notReached = orders.length;
    let failure: { error: unknown } | undefined;
    const lane = async () => {
      while (next < orders.length && !failure && !ended()) {
        const index = next++;
        const { orderId } = orders[index]!;
        try {
          if (await this.compare(reading, orders[index]!)) said.add(orderId);
          else if (ended()) notReached = Math.min(notReached, index);
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: reading.books.atOnce }, lane));
    // Nothing of the part is under way any more when it breaks off.
    if (failure) throw failure.error;
    return { said, notReached: orders[Math.min(notReached, next)] };
  }

  /**
   * Answers whether it is known how the order stands in the vendor's books. Throws `PartLost`, and what keeps the database
   * from answering, which are of no order.
   */
  async compare(reading: Reading, order: Candidate): Promise<boolean> {
    const { books, seen } = reading;
    books.signal.throwIfAborted();
    if (seen.has(order.orderId)) return true;
    if (!order.atRest) return false;
    seen.add(order.orderId);
    const isGoing = order.status === 'pending' && !order.needsAttention;
    if (isGoing && !order.hasCase) return false;
    if (order.isListed && !order.hasCase && !order.hasFailed && order.status !== 'pending' && !order.needsAttention) {
      books.part.progress.compared += 1;
      return true;
    }
    try {
      return await this.askAndFile(books, order, isGoing);
    } catch (error) {
      if (error instanceof PartLost || isTransientDatabaseError(error) || books.signal.aborted) throw error;
      await this.noteFailure(books, order, error as Error);
      return false;
    }
  }

  private async askAndFile(books: BooksInHand, order: Candidate, isGoing: boolean): Promise<boolean> {
    const askedAt = new Date().toISOString();
    const answer = isGoing ? DISPATCHED : await books.lookUp(order);
    const said = await this.filing.file(books.part, order, compare(order, answer, askedAt));
    if (order.hasFailed && answer.outcome !== 'not_asked' && !books.part.claim.dryRun) {
      await books.part.write((tx) => this.failures.end(tx, order.orderId));
    }
    return said;
  }

  private async noteFailure({ part }: BooksInHand, { orderId }: Candidate, error: Error): Promise<void> {
    const failure = { orderId, reason: storableText(error.message, REASON_LENGTH_MAX) };
    this.logger.warn({ err: error, ...part.claim, orderId }, 'An order could not be compared');
    part.tellFailed(failure);
    if (!part.claim.dryRun) await part.write((tx) => this.failures.note(tx, part.claim.vendorId, failure));
    if (part.progress.failed < FAILURES_MAX) return;
    throw new Error(`${FAILURES_MAX} orders could not be compared, the last because: ${failure.reason}`, {
      cause: error,
    });
  }
}
