import type { FailureReason, HoldState, OrderStatus } from '../../orders/order-status';
import { plain } from '../../vendors/vendor-answer';
import type { FormerAddress } from '../../vendors/address.repository';
import type { NotAsked } from '../../vendors/spare-calls';
import type { LookUpAnswer } from '../../vendors/vendor-adapter';
import type { Evidence, Finding, OrderCaseKind, Resolution } from './case';

/** An order as it stood just before its vendor was asked about it. Times are ISO 8601 UTC. */
export interface ComparedOrder {
  orderId: string;
  productId: string;
  /** Who placed it. */
  client: string;
  quantity: number;
  status: OrderStatus;
  holdState: HoldState;
  failureReason: FailureReason | null;
  vendorOrderId: string | null;
  needsAttention: boolean;
  attentionReason: string | null;
  cancelRequested: boolean;
  claimToken: string;
  /** Where it was sent; null: where its vendor is now. */
  formerAddress: FormerAddress | null;
  /** Something of it may have reached its vendor. */
  sent: boolean;
  /** A vendor that does not find it now does not have it: whatever was sent is over, and its books show it. */
  provable: boolean;
}

/** What a vendor's books say of an order, or why they could not be asked. */
export type BooksAnswer = LookUpAnswer | NotAsked;

/** `agree`: there is no difference; `unsaid`: nobody can tell at the moment, so what was found before stands. */
export type Comparison = Finding | 'agree' | 'unsaid';

/** What an order of ours and its vendor's books make of each other. */
export function compare(order: ComparedOrder, answer: BooksAnswer, askedAt: string): Comparison {
  const found = differenceOf(order, answer);
  if (found === 'agree' || found === 'unsaid') return found;
  const [kind, resolutions] = found;
  return {
    kind,
    subject: order.orderId,
    orderId: order.orderId,
    productId: order.productId,
    essence: essenceOf(answer),
    evidence: evidenceOf(order, answer, askedAt),
    resolutions,
    claimToken: order.claimToken,
  };
}

type Difference = [kind: OrderCaseKind, resolutions: Resolution[]];

function differenceOf(order: ComparedOrder, answer: BooksAnswer): Difference | 'agree' | 'unsaid' {
  switch (order.status) {
    case 'completed':
      return ofCompleted(order, answer);
    case 'failed':
      return ofFailed(order, answer);
    case 'pending':
      // Otherwise dispatch is about to find out by itself.
      return order.needsAttention ? ofGivenUp(order, answer) : 'agree';
  }
}

function ofCompleted({ vendorOrderId, provable }: ComparedOrder, answer: BooksAnswer): Difference | 'agree' | 'unsaid' {
  switch (answer.outcome) {
    case 'accepted':
      return vendorOrderId !== null && answer.vendorOrderId === plain(vendorOrderId)
        ? 'agree'
        : ['otherVendorOrderId', ['acceptVendor', 'dismiss']];
    case 'refused':
      return ['completedButRefused', ['dismiss']];
    case 'not_found':
      return provable ? ['completedButUnknown', ['dismiss']] : 'unsaid';
    case 'pending':
    case 'unknown':
    case 'not_asked':
      return 'unsaid';
  }
}

function ofFailed({ needsAttention }: ComparedOrder, answer: BooksAnswer): Difference | 'agree' | 'unsaid' {
  const bought: Difference = ['boughtThoughFailed', ['cancelAtVendor', 'dismiss']];
  switch (answer.outcome) {
    case 'accepted':
      return bought;
    case 'refused':
    case 'not_found':
      return 'agree';
    case 'pending':
    case 'unknown':
    case 'not_asked':
      // It waits because its vendor had it and would not cancel it: nothing says otherwise.
      return needsAttention ? bought : 'unsaid';
  }
}

function ofGivenUp(order: ComparedOrder, answer: BooksAnswer): Difference {
  const { sent, provable, cancelRequested } = order;
  // Where nothing was sent as far as we know, our cancelling would not ask the vendor.
  const cancelAtVendor: Resolution[] = sent ? ['cancelAtVendor'] : [];
  const undecided: Resolution[] = cancelRequested ? ['cancelAtVendor', 'fail'] : ['resend', 'cancelAtVendor', 'fail'];
  switch (answer.outcome) {
    case 'accepted':
      return ['givenUpButAccepted', ['acceptVendor', ...cancelAtVendor]];
    case 'refused':
      return ['givenUpAndRefused', ['acceptVendor']];
    case 'not_found':
      return [provable ? 'givenUpAndNotBought' : 'givenUpAndUnknown', undecided];
    case 'pending':
    case 'unknown':
    case 'not_asked':
      return ['givenUpAndUnknown', undecided];
  }
}

function essenceOf(answer: BooksAnswer): string {
  switch (answer.outcome) {
    case 'accepted':
      return `accepted as ${answer.vendorOrderId}`;
    case 'refused':
      return `refused ${answer.reason}`;
    default:
      return answer.outcome;
  }
}

function evidenceOf(order: ComparedOrder, answer: BooksAnswer, askedAt: string): Evidence {
  const { client, quantity, status, holdState, failureReason, vendorOrderId, attentionReason, cancelRequested } = order;
  const { formerAddress } = order;
  return {
    ours: { client, status, failureReason, vendorOrderId, holdState, quantity, attentionReason, cancelRequested },
    vendor: { ...answer, askedAt, ...(formerAddress && { at: formerAddress.baseUrl }) },
  };
}
