import {
  type CallHealth,
  type CancelAnswer,
  type ChangedOrdersAnswer,
  type LookUpAnswer,
  type PurchaseAnswer,
  VendorCallFailed,
} from '../vendor-adapter';

/** What an order's call says of the vendor's health: whatever it decided, an answer that was understood is a good sign. */
export function healthOf(answer: PurchaseAnswer | LookUpAnswer | CancelAnswer | ChangedOrdersAnswer): CallHealth {
  switch (answer.outcome) {
    case 'unknown':
    case 'too_late':
      return answer.health ?? 'well';
    case 'not_sent':
      return answer.health ?? 'unsaid';
    default:
      return 'well';
  }
}

/** The same of a poll that failed. What fails at home says nothing of the vendor. */
export function healthAfterPoll(error: unknown): CallHealth {
  return error instanceof VendorCallFailed ? error.health : 'unsaid';
}
