import type { ListingKind, PollMarks } from '../../vendors/vendor-adapter';

/** A hold that the vendor has acknowledged for longer than so many intervals waits for a listing with rows. */
export const HOLD_WAIT_INTERVALS = 2;

/** What is known of a vendor when it is polled. */
export interface PollSituation {
  marks: PollMarks;
  /** Our clock. */
  polledAt: Date;
  /** Our clock: start of the last poll that confirmed the whole picture. */
  fullSyncedAt: Date | null;
  intervalMs: number;
  /** null: every poll asks for a complete listing. Only that tells what is no longer sold. */
  fullSyncIntervalMs: number | null;
  /** An operator asked for it: the vendor is to tell everything. */
  manual: boolean;
  /** A run waits for an operator, so its listing is judged again. */
  hasHeldRun: boolean;
  /** An acknowledged hold is older than two intervals: only rows settle it. */
  holdsWait: boolean;
}

/** What the vendor is asked for: the least that keeps the picture whole. */
export function planPoll(situation: PollSituation): { kind: ListingKind; marks: PollMarks } {
  const { marks, manual, hasHeldRun, holdsWait } = situation;
  const wantsRows = manual || hasHeldRun;
  if (marks.position !== null && !wantsRows && !isFullDue(situation)) {
    return { kind: 'delta', marks: { position: marks.position, etag: null } };
  }
  return { kind: 'full', marks: { position: marks.position, etag: wantsRows || holdsWait ? null : marks.etag } };
}

/** Due already when the next poll would come too late. */
function isFullDue({ polledAt, fullSyncedAt, intervalMs, fullSyncIntervalMs }: PollSituation): boolean {
  if (fullSyncedAt === null || fullSyncIntervalMs === null) return true;
  return polledAt.getTime() + intervalMs > fullSyncedAt.getTime() + fullSyncIntervalMs;
}
