import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, Matches } from 'class-validator';
import { PageQuery } from '../../http/page.dto';
import { IfPresent, IsPrintable } from '../../http/rules';
import { VENDOR_ID } from '../../vendors/vendor';
import {
  type Case,
  CASE_KINDS,
  CASE_STATUSES,
  type CaseKind,
  type CaseStatus,
  type Evidence,
  type GONE,
  type Resolution,
  RESOLUTIONS,
} from './case';
import type { FoundDifference, PartStatus, Run, RunPart, RunTrigger } from './run';

const A_VENDOR_ID = { message: 'must be a vendor id such as alpine-outdoor' };

export class StartReconciliationDto {
  /**
   * Only with this vendor
   * @example "alpine-outdoor"
   */
  @IfPresent()
  @Matches(VENDOR_ID, A_VENDOR_ID)
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
   * Orders that were looked up in the vendor's books
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
  /** @example null */
  note!: string | null;
  /** The first hundred differences */
  findings!: FoundDifferenceDto[];
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
  /** One for each vendor */
  parts!: ReconciliationPartDto[];
}

export class ReconciliationRunPageDto {
  items!: ReconciliationRunDto[];
  nextCursor!: string | null;
}

export class CaseQuery extends PageQuery {
  /** Only cases of this status */
  @IfPresent()
  @IsIn(CASE_STATUSES)
  status?: CaseStatus;

  /** Only cases of this kind */
  @IfPresent()
  @IsIn(CASE_KINDS)
  kind?: CaseKind;

  /** Only cases of this vendor */
  @IsOptional()
  @Matches(VENDOR_ID, A_VENDOR_ID)
  vendorId?: string;
}

export class ResolveCaseDto {
  /**
   * One of the case's own `resolutions`
   * @example "acceptVendor"
   */
  @IsIn(RESOLUTIONS)
  resolution!: Resolution;

  /**
   * Why; kept with the case
   * @example "Confirmed by telephone."
   */
  @IsPrintable(1000)
  note!: string;
}

export class CaseDto implements Case {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  caseId!: string;
  /** @example "alpine-outdoor" */
  vendorId!: string;
  /**
   * The order it is about
   * @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d"
   */
  orderId!: string | null;
  /**
   * The product it is about
   * @example "alpine-outdoor:TENT-2P-GREEN"
   */
  productId!: string | null;
  /**
   * What differs; new kinds may come
   * @example "givenUpButAccepted"
   */
  kind!: CaseKind;
  /** What we have, what the vendor says, and when that was so; its fields depend on the kind */
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: {
      ours: { status: 'pending', attentionReason: 'Alpine Outdoor gave no definite answer to 12 purchases sent.' },
      vendor: { outcome: 'accepted', vendorOrderId: 'AO-0000002', askedAt: '2030-01-31T12:00:00.000Z' },
    },
  })
  evidence!: Evidence;
  /**
   * Those that fit, or did
   * @example ["acceptVendor", "cancelAtVendor"]
   */
  resolutions!: Resolution[];
  /** @example "open" */
  status!: CaseStatus;
  /**
   * `gone`: it was compared again, and the difference was there no longer
   * @example null
   */
  resolution!: Resolution | typeof GONE | null;
  /** @example null */
  note!: string | null;
  /**
   * Client of the API key that resolved it, or `system`
   * @example null
   */
  actor!: string | null;
  /** @example "2030-01-31T12:00:00.000Z" */
  openedAt!: string;
  /**
   * When it was last found to be so
   * @example "2030-01-31T13:00:00.000Z"
   */
  checkedAt!: string;
  /** @example null */
  resolvedAt!: string | null;
}

export class CasePageDto {
  items!: CaseDto[];
  nextCursor!: string | null;
}
