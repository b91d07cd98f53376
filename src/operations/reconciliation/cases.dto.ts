import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
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
  @Matches(VENDOR_ID, { message: 'must be a vendor id such as alpine-outdoor' })
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
