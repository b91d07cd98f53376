import type { AttemptOutcome } from '../../orders/fulfilment/attempt.repository';

export const DEAD_LETTER_STATUSES = ['open', 'replayed', 'dismissed'] as const;
export type DeadLetterStatus = (typeof DEAD_LETTER_STATUSES)[number];

/** A purchase call that was made for the order. Times are ISO 8601 UTC. */
export interface DeadLetterAttempt {
  at: string;
  /** null: it was never heard of again. */
  finishedAt: string | null;
  outcome: AttemptOutcome | null;
  /** The vendor's answer in words. */
  detail: string | null;
  /** Whether it counts towards the limit of attempts. */
  counted: boolean;
}

/** What was given up, as an operator sees it. */
export interface DeadLetter {
  deadLetterId: string;
  vendorId: string | null;
  orderId: string | null;
  status: DeadLetterStatus;
  cause: string;
  attempts: DeadLetterAttempt[];
  payload: Record<string, unknown>;
  createdAt: string;
  decidedAt: string | null;
  /** Client of the API key that decided. */
  decidedBy: string | null;
}
