import { IsBoolean, Matches } from 'class-validator';
import { IfPresent } from '../../http/rules';
import { VENDOR_ID } from '../../vendors/vendor';
import type { CaseKind } from './case';
import type { FailedComparison, FoundDifference, PartStatus, Run, RunPart, RunTrigger } from './run';

export class StartReconciliationDto {
  /**
   * Only with this vendor
   * @example "alpine-outdoor"
   */
  @IfPresent()
  @Matches(VENDOR_ID, { message: 'must be a vendor id such as alpine-outdoor' })
  vendorId?: string;

  /**
   * Tell what would be found, and open no case
   * @example true
   */
  @IfPresent()
  @IsBoolean()
  dryRun?: boolean;
}

export class ReconciliationRequestedDto {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  reconciliationRunId!: string;
}

export class FoundDifferenceDto implements FoundDifference {
  /** @example "boughtThoughFailed" */
  kind!: CaseKind;
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  orderId!: string | null;
  /** @example "alpine-outdoor:TENT-2P-GREEN" */
  productId!: string | null;
  /**
   * `opened`: a case, or a dry run would; `refreshed`: it has one; `dismissed`: it was said to stay as it is
   * @example "opened"
   */
  case!: 'opened' | 'refreshed' | 'dismissed';
}

export class FailedComparisonDto implements FailedComparison {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  orderId!: string;
  /** @example "invalid input syntax for type json" */
  reason!: string;
}

export class ReconciliationPartDto implements RunPart {
  /** @example "alpine-outdoor" */
  vendorId!: string;
  /**
   * `incomplete`: not everything could be compared, and `note` says why
   * @example "succeeded"
   */
  status!: PartStatus;
  /** @example "2030-01-31T12:00:00.000Z" */
  startedAt!: string | null;
  /** @example "2030-01-31T12:00:04.000Z" */
  finishedAt!: string | null;
  /**
   * Orders that were looked up in the vendor's books, or whose turn came and its list had shown them
   * @example 120
   */
  compared!: number;
  /**
   * Differences that are there
   * @example 1
   */
  found!: number;
  /**
   * Cases opened; of a dry run: that would be
   * @example 1
   */
  opened!: number;
  /**
   * Cases whose difference was gone
   * @example 0
   */
  closed!: number;
  /**
   * Orders whose comparison failed for a reason of its own; a later run tries them again
   * @example 0
   */
  failed!: number;
  /**
   * Orders that were passed over and will not be compared: they had become older than seven days before their turn came.
   * At most 1,000,000 are counted
   * @example 0
   */
  skipped!: number;
  /**
   * Rows of the vendor's list of changed orders that are orders of ours
   * @example 4000
   */
  listed!: number;
  /**
   * Rows of that list that are not: orders of other installations, or of other people
   * @example 0
   */
  notOurs!: number;
  /** @example null */
  note!: string | null;
  /** The first hundred differences */
  findings!: FoundDifferenceDto[];
  /** The first ten comparisons that failed */
  failures!: FailedComparisonDto[];
}

export class ReconciliationRunDto implements Run {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  reconciliationRunId!: string;
  /**
   * null: with every vendor
   * @example null
   */
  vendorId!: string | null;
  /**
   * `attention`: an order began to wait for an operator
   * @example "manual"
   */
  trigger!: RunTrigger;
  dryRun!: boolean;
  /**
   * Client of the API key that asked for it
   * @example "desk"
   */
  requestedBy!: string | null;
  /**
   * The worst of its parts, once all have ended
   * @example "succeeded"
   */
  status!: PartStatus;
  /** @example "2030-01-31T12:00:00.000Z" */
  requestedAt!: string;
  /** @example "2030-01-31T12:00:00.000Z" */
  startedAt!: string | null;
  /** @example "2030-01-31T12:00:04.000Z" */
  finishedAt!: string | null;
  /** @example 120 */
  compared!: number;
  /** @example 1 */
  found!: number;
  /** @example 1 */
  opened!: number;
  /** @example 0 */
  closed!: number;
  /** @example 0 */
  failed!: number;
  /** @example 0 */
  skipped!: number;
  /** @example 4000 */
  listed!: number;
  /** @example 0 */
  notOurs!: number;
  /** One for each vendor */
  parts!: ReconciliationPartDto[];
}

export class ReconciliationRunPageDto {
  items!: ReconciliationRunDto[];
  nextCursor!: string | null;
}
