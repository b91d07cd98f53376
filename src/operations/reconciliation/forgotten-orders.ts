import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { ChangedOrder } from '../../vendors/vendor-adapter';
import type { BooksInHand } from './books-in-hand';
import type { Finding } from './case';
import { CaseRepository } from './case.repository';
import type { BooksAnswer } from './comparison';
import { ListedRepository } from './listed.repository';

/** So many are looked up by one part, and so many of those with a case: each is one call. */
const LOOK_UPS_MAX = 200;

/**
 * Orders in a vendor's books that carry ids such as ours and that nobody here knows: forgotten, as after a restore, or
 * another installation's.
 */
@Injectable()
export class ForgottenOrders {
  constructor(
    private readonly dataSource: DataSource,
    private readonly listed: ListedRepository,
    private readonly cases: CaseRepository,
  ) {}

  /** Opens a case for each that its look-up confirms. */
  async compare(books: BooksInHand, unknown: ChangedOrder[]): Promise<void> {
    const bought = unknown.filter(({ status }) => status === 'accepted').map(({ reference }) => reference);
    if (bought.length === 0) return;
    const { part } = books;
    const on = this.dataSource.manager;
    // Another vendor's here, such as of two registrations of one company.
    const known = await this.listed.known(on, bought);
    part.progress.notOurs += known.size;
    const cased = await this.listed.cased(on, bought);
    for (const reference of bought) {
      if (known.has(reference) || cased.has(reference)) continue;
      if (books.closed) return;
      if (part.forgotten >= LOOK_UPS_MAX) {
        return part.fallShort(`More than ${LOOK_UPS_MAX} orders in its books are unknown here; the next run goes on.`);
      }
      part.forgotten += 1;
      const askedAt = new Date().toISOString();
      const answer = await books.lookUp({ orderId: reference, formerAddress: null });
      if (answer.outcome === 'accepted') await this.file(books, findingOf(reference, answer, askedAt));
    }
  }

  /** Closes the cases of what its books have no longer. */
  async compareCased(books: BooksInHand): Promise<void> {
    const { part, vendor } = books;
    const on = this.dataSource.manager;
    const open = await this.listed.openForgotten(on, vendor.vendorId, LOOK_UPS_MAX);
    const known = await this.listed.known(on, open);
    for (const reference of open) {
      if (books.closed) return;
      const askedAt = new Date().toISOString();
      const answer = known.has(reference) ? undefined : await books.lookUp({ orderId: reference, formerAddress: null });
      if (answer?.outcome === 'accepted') await this.file(books, findingOf(reference, answer, askedAt));
      const isGone = !answer || answer.outcome === 'refused' || answer.outcome === 'not_found';
      if (!isGone || part.claim.dryRun) continue;
      await part.write(async (tx) => {
        part.progress.closed += await this.cases.closeOf(tx, reference, ['boughtButForgotten']);
      });
    }
  }

  private async file({ part, vendor }: BooksInHand, finding: Finding): Promise<void> {
    if (part.claim.dryRun) return part.tell(finding, await this.cases.foretell(this.dataSource.manager, finding));
    await part.write(async (tx) => part.tell(finding, await this.cases.file(tx, vendor.vendorId, finding)));
  }
}

function findingOf(reference: string, answer: BooksAnswer & { outcome: 'accepted' }, askedAt: string): Finding {
  return {
    kind: 'boughtButForgotten',
    subject: reference,
    orderId: null,
    productId: null,
    essence: `accepted as ${answer.vendorOrderId}`,
    evidence: { reference, ours: null, vendor: { ...answer, askedAt } },
    resolutions: ['dismiss'],
    claimToken: null,
  };
}
