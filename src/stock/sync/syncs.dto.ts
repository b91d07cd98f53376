import { IsIn } from 'class-validator';
import { PageQuery } from '../../http/page.dto';
import { IfPresent, IsPrintable } from '../../http/rules';
import type { ListingKind } from '../../vendors/vendor-adapter';
import { SYNC_STATUSES, type SyncRun, type SyncStatus, type SyncTrigger } from './sync-run';

export class SyncsQuery extends PageQuery {
  /** Only runs of this status */
  @IfPresent()
  @IsIn(SYNC_STATUSES)
  status?: SyncStatus;
}

export class DecideSyncDto {
  /**
   * Why; kept with the run
   * @example "They closed their camping department; confirmed by telephone."
   */
  @IsPrintable(1000)
  note!: string;
}

export class SyncRequestedDto {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  syncRunId!: string;
}

export class SyncRunDto implements SyncRun {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  syncRunId!: string;
  /** @example "alpine-outdoor" */
  vendorId!: string;
  /** @example "schedule" */
  trigger!: SyncTrigger;
  /** @example "full" */
  kind!: ListingKind;
  /** @example "held" */
  status!: SyncStatus;
  /**
   * null while no worker has taken it
   * @example "2030-01-31T12:00:00.000Z"
   */
  startedAt!: string | null;
  /** @example "2030-01-31T12:00:04.000Z" */
  finishedAt!: string | null;
  /**
   * The listing's time, by the vendor's clock
   * @example "2030-01-31T11:59:58.000Z"
   */
  asOf!: string | null;
  /**
   * Rows the vendor sent
   * @example 700
   */
  seen!: number;
  /**
   * Products written
   * @example 12
   */
  changed!: number;
  /** @example 688 */
  unchanged!: number;
  /**
   * Known SKUs that a complete listing lacks
   * @example 300
   */
  missing!: number;
  /**
   * Rows that broke a rule
   * @example 0
   */
  rejected!: number;
  /**
   * Why it was held or failed, and some of the rejected rows
   * @example "TRUNCATED: the listing lacks 300 of 1000 known SKUs"
   */
  error!: string | null;
  /**
   * Rows the vendor announced, where it does
   * @example null
   */
  rowsExpected!: number | null;
  /** @example 25000 */
  rowsPerSecond!: number | null;
  /**
   * Of the rows announced
   * @example null
   */
  percent!: number | null;
  /**
   * What the operator said who decided about it
   * @example null
   */
  note!: string | null;
}

export class SyncRunPageDto {
  items!: SyncRunDto[];
  nextCursor!: string | null;
}
