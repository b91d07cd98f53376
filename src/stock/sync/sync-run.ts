import type { ListingKind } from '../../vendors/vendor-adapter';
import type { HeldFor } from './judge';

export const SYNC_TRIGGERS = ['schedule', 'manual'] as const;
export type SyncTrigger = (typeof SYNC_TRIGGERS)[number];

export const SYNC_STATUSES = ['pending', 'running', 'succeeded', 'held', 'failed', 'rejected', 'superseded'] as const;
export type SyncStatus = (typeof SYNC_STATUSES)[number];

export interface SyncCounts {
  /** Rows the vendor sent. */
  seen: number;
  /** Rows written. */
  changed: number;
  unchanged: number;
  /** Known SKUs that a complete listing lacks. */
  missing: number;
  /** Rows that broke a rule. */
  rejected: number;
}

/** How a run ended. */
export interface SyncResult extends SyncCounts {
  status: Exclude<SyncStatus, 'pending' | 'running' | 'rejected'>;
  kind: ListingKind;
  asOf: Date | null;
  rowsExpected: number | null;
  /** Rows kept for an operator to decide about. */
  staged: number | null;
  heldFor: HeldFor | null;
  error: string | null;
}

/** A run as an operator sees it. Times are ISO 8601 UTC, by our clock; `asOf` by the vendor's. */
export interface SyncRun extends SyncCounts {
  syncRunId: string;
  vendorId: string;
  trigger: SyncTrigger;
  kind: ListingKind;
  status: SyncStatus;
  /** null while it is pending. */
  startedAt: string | null;
  finishedAt: string | null;
  asOf: string | null;
  error: string | null;
  /** How many rows the vendor announced, where it did. */
  rowsExpected: number | null;
  /** While it runs, and at its end. */
  rowsPerSecond: number | null;
  percent: number | null;
  /** What the operator said who decided about it. */
  note: string | null;
}
