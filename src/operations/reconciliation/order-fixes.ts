import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../database/sql';
import { Outbox } from '../../messaging/outbox';
import { Intervention, type Ruling } from '../../orders/fulfilment/intervention';
import type { LockedOrder } from '../../orders/order.repository';
import type { Accepted, Refused } from '../../vendors/vendor-adapter';
import { CandidateRepository } from './candidate.repository';
import type { Case, Resolution } from './case';
import { CaseOutdated } from './reconciliation.errors';

/** What the vendor's books had, as the case's evidence keeps it. */
type KeptAnswer = (Omit<Accepted, 'acceptedAt'> & { acceptedAt: string }) | Refused;

/** What can be done about an order, in the transaction that resolves its case: product, order and case are locked. */
@Injectable()
export class OrderFixes {
  constructor(
    private readonly intervention: Intervention,
    private readonly outbox: Outbox,
    private readonly candidates: CandidateRepository,
  ) {}

  /** Throws `CaseOutdated` where the order is no longer as the case tells. */
  async apply(tx: Transaction, found: Case, order: LockedOrder, resolution: Resolution, ruling: Ruling): Promise<void> {
    seeThatItIsSo(found, order);
    switch (resolution) {
      case 'acceptVendor':
        return this.acceptVendor(tx, found, order, ruling);
      case 'cancelAtVendor':
        return this.intervention.cancelAtVendor(tx, order, ruling);
      case 'resend':
        return this.intervention.resend(tx, order, ruling);
      case 'fail':
        await this.intervention.fail(tx, order, 'RESOLVED_BY_OPERATOR', ruling);
        // A vendor that could not close the reference may yet turn out to have it.
        return this.candidates.revisit(tx, order.vendorId, [order.orderId]);
      case 'discard':
        return void (await this.outbox.discard(tx, order.orderId));
      default:
        return this.intervention.letBe(tx, order, ruling);
    }
  }

  private async acceptVendor(tx: Transaction, { evidence }: Case, order: LockedOrder, ruling: Ruling): Promise<void> {
    const answer = evidence['vendor'] as KeptAnswer;
    if (answer.outcome === 'refused') return this.intervention.fail(tx, order, answer.reason, ruling);
    const { vendorOrderId, acceptedAt } = answer;
    if (order.status === 'completed') return this.intervention.rename(tx, order, vendorOrderId, ruling);
    const accepted: Accepted = { outcome: 'accepted', vendorOrderId, acceptedAt: new Date(acceptedAt) };
    return this.intervention.complete(tx, order, accepted, ruling);
  }
}

/** Statuses that an order may have while its case is true. */
const STATUS_OF: Partial<Record<Case['kind'], LockedOrder['status']>> = {
  boughtThoughFailed: 'failed',
  completedButUnknown: 'completed',
  completedButRefused: 'completed',
  otherVendorOrderId: 'completed',
  givenUpButAccepted: 'pending',
  givenUpAndRefused: 'pending',
  givenUpAndNotBought: 'pending',
  givenUpAndUnknown: 'pending',
};

function seeThatItIsSo({ caseId, kind }: Case, { status, needsAttention, recalled }: LockedOrder): void {
  const expected = STATUS_OF[kind];
  if (expected !== undefined && status !== expected) {
    throw new CaseOutdated(caseId, `the order is ${status} now.`);
  }
  const isUndecided = status === 'pending' || recalled;
  if (kind === 'orderWithoutMessage' && !isUndecided) throw new CaseOutdated(caseId, `the order is ${status} now.`);
  if (kind === 'messageWithoutOrder' && isUndecided) {
    throw new CaseOutdated(caseId, 'the order is not decided, and needs its message.');
  }
  if (kind.startsWith('givenUp') && !needsAttention) {
    throw new CaseOutdated(caseId, 'the order waits for an operator no longer.');
  }
}
