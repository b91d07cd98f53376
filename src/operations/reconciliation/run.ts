import type { CaseKind } from './case';

/** Who asked: the clock, an order that waits for an operator and has no case yet, or an operator. */
export const RUN_TRIGGERS = ['schedule', 'attention', 'manual'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/** `incomplete`: it ended before everything was compared; its note says why. */
export const PART_STATUSES = ['pending', 'running', 'succeeded', 'incomplete', 'failed'] as const;
export type PartStatus = (typeof PART_STATUSES)[number];

/** A difference, as a run tells of it. */
export interface FoundDifference {
  kind: CaseKind;
  orderId: string | null;
  productId: string | null;
  /** `opened`: a case, or it would be one; `refreshed`: it has one; `dismissed`: it is to stay as it is. */
  case: 'opened' | 'refreshed' | 'dismissed';
}

export interface RunCounts {
  /** Orders that were looked up in the vendor's books, or whose turn came and its list had shown them. */
  compared: number;
  /** Differences that are there. */
  found: number;
  /** Cases opened; of a dry run: that would be. */
  opened: number;
  /** Cases whose difference was gone. */
  closed: number;
  /** Orders whose comparison failed for a reason of its own; a later run tries them again. */
  failed: number;
  /** Orders that were passed over and will not be compared: they had become too old before their turn came. */
  skipped: number;
  /** Rows of the vendor's list of changed orders that are orders of ours. */
  listed: number;
  /** Rows of that list that are not: of other installations, or of other people. */
  notOurs: number;
}

/** An order that could not be compared, and why. */
export interface FailedComparison {
  orderId: string;
  reason: string;
}

/** A run's work on one vendor. */
export interface RunPart extends RunCounts {
  vendorId: string;
  status: PartStatus;
  startedAt: string | null;
  finishedAt: string | null;
  note: string | null;
  /** Some of the differences. */
  findings: FoundDifference[];
  /** Some of the comparisons that failed. */
  failures: FailedComparison[];
}

/** A comparison of our books with the vendors', as an operator sees it. Times are ISO 8601 UTC. */
export interface Run extends RunCounts {
  reconciliationRunId: string;
  /** null: every vendor. */
  vendorId: string | null;
  trigger: RunTrigger;
  dryRun: boolean;
  /** Client of the API key that asked for it. */
  requestedBy: string | null;
  /** Follows from its parts: the worst of them, once all have ended. */
  status: PartStatus;
  requestedAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  parts: RunPart[];
}

/** How a run of these parts stands; without any there was nothing to do. */
export function statusOf(parts: Pick<RunPart, 'status'>[]): PartStatus {
  const statuses = new Set(parts.map(({ status }) => status));
  const unfinished = statuses.has('running') || statuses.has('pending');
  if (unfinished) return statuses.size === 1 && statuses.has('pending') ? 'pending' : 'running';
  if (statuses.has('failed')) return 'failed';
  return statuses.has('incomplete') ? 'incomplete' : 'succeeded';
}
