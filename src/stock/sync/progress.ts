import type { ListingKind, ListedRow } from '../../vendors/vendor-adapter';
import { checkRow, type StockRow } from './listing-row';
import type { Problem } from './judge';
import type { SyncCounts, SyncResult } from './sync-run';

/** Of the rejected rows, so many are named in the run's error. */
const REJECTED_SAMPLES = 3;

/** What one run has come to so far, filled in as it goes. */
export class Progress implements SyncCounts {
  kind: ListingKind;
  asOf: Date | null = null;
  rowsExpected: number | null = null;
  seen = 0;
  changed = 0;
  unchanged = 0;
  missing = 0;
  rejected = 0;
  /** Products whose number fell to zero beyond what we had promised; the first ones by name. */
  emptied = 0;
  emptiedSamples: string[] = [];
  private readonly samples: string[] = [];

  constructor(asked: ListingKind) {
    this.kind = asked;
  }

  /** Counts a page and answers its rows that may be applied. */
  take(page: ListedRow[]): StockRow[] {
    const accepted: StockRow[] = [];
    for (const listed of page) {
      const checked = checkRow(listed);
      if ('rejected' in checked) {
        this.rejected += 1;
        if (this.samples.length < REJECTED_SAMPLES) this.samples.push(checked.rejected);
      } else {
        accepted.push(checked);
      }
    }
    this.seen += page.length;
    return accepted;
  }

  noteEmptied(productIds: string[]): void {
    this.emptied += productIds.length;
    this.emptiedSamples = [...this.emptiedSamples, ...productIds].slice(0, REJECTED_SAMPLES);
  }

  /** `sentence`: what to say of a run that did not simply succeed. */
  result(status: SyncResult['status'], sentence?: string, held?: { problem: Problem; staged: number }): SyncResult {
    const { kind, asOf, rowsExpected, seen, changed, unchanged, missing, rejected } = this;
    const sentences = [...(sentence === undefined ? [] : [sentence]), ...this.samples];
    return {
      status,
      kind,
      asOf,
      rowsExpected,
      seen,
      changed,
      unchanged,
      missing,
      rejected,
      staged: held?.staged ?? null,
      heldFor: held?.problem.heldFor ?? null,
      error: sentences.length === 0 ? null : sentences.join('; '),
    };
  }
}
