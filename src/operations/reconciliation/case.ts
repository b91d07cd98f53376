export const CASE_STATUSES = ['open', 'resolved'] as const;
export type CaseStatus = (typeof CASE_STATUSES)[number];

/** Differences between an order of ours and what its vendor's books say of it. */
export const ORDER_CASE_KINDS = [
  'boughtThoughFailed',
  'completedButUnknown',
  'completedButRefused',
  'otherVendorOrderId',
  'givenUpButAccepted',
  'givenUpAndRefused',
  'givenUpAndNotBought',
  'givenUpAndUnknown',
] as const;
export type OrderCaseKind = (typeof ORDER_CASE_KINDS)[number];

/** Differences within our own books. */
export const OWN_CASE_KINDS = [
  'orderWithoutMessage',
  'messageWithoutOrder',
  'reservedDiffers',
  'soldUnderUs',
  'holdsNeverSettle',
  'heldSync',
] as const;
export type OwnCaseKind = (typeof OWN_CASE_KINDS)[number];

/** What a vendor's list of orders has, and our books do not. */
export const LIST_CASE_KINDS = ['boughtButForgotten'] as const;

export const CASE_KINDS = [...ORDER_CASE_KINDS, ...LIST_CASE_KINDS, ...OWN_CASE_KINDS] as const;
export type CaseKind = (typeof CASE_KINDS)[number];

/** What an operator can decide about a case. Each case says which of these fit it. */
export const RESOLUTIONS = [
  'acceptVendor',
  'cancelAtVendor',
  'resend',
  'fail',
  'discard',
  'recount',
  'cancelNewest',
  'settle',
  'acceptRun',
  'rejectRun',
  'dismiss',
] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** How the system closes a case whose difference is there no longer. */
export const GONE = 'gone';
export const SYSTEM = 'system';

/** What is known of a difference, as JSON: what we have, what the vendor says, and when that was so. */
export type Evidence = Record<string, unknown>;

/** A difference that was found. */
export interface Finding {
  kind: CaseKind;
  /** What differs, an id: one open case of a kind each. */
  subject: string;
  orderId: string | null;
  productId: string | null;
  /** What a dismissal covers: found the same again, it opens no new case. */
  essence: string;
  evidence: Evidence;
  resolutions: readonly Resolution[];
  /** The order's last dispatch when its vendor was asked; null where no order is meant. */
  claimToken: string | null;
}

/** A difference as an operator sees it. Times are ISO 8601 UTC. */
export interface Case {
  caseId: string;
  vendorId: string;
  orderId: string | null;
  productId: string | null;
  kind: CaseKind;
  evidence: Evidence;
  /** Those that fit, or did. */
  resolutions: Resolution[];
  status: CaseStatus;
  resolution: Resolution | typeof GONE | null;
  note: string | null;
  /** Client of the API key that resolved it, or `system`. */
  actor: string | null;
  openedAt: string;
  /** When it was last found to be so. */
  checkedAt: string;
  resolvedAt: string | null;
}
