import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, Matches } from 'class-validator';
import { PageQuery } from '../../http/page.dto';
import { IfPresent, IsTimestamp } from '../../http/rules';
import type { AttemptOutcome } from '../../orders/fulfilment/attempt.repository';
import { VENDOR_ID } from '../../vendors/vendor';
import { DEAD_LETTER_STATUSES, type DeadLetter, type DeadLetterAttempt, type DeadLetterStatus } from './dead-letter';
import type { Dismissed } from './dismissal';
import type { Replayed } from './replay';

const A_VENDOR_ID = { message: 'must be a vendor id such as alpine-outdoor' };

export class DeadLetterQuery extends PageQuery {
  /** Only letters about this vendor's orders */
  @IsOptional()
  @Matches(VENDOR_ID, A_VENDOR_ID)
  vendorId?: string;

  /** Only letters of this status */
  @IfPresent()
  @IsIn(DEAD_LETTER_STATUSES)
  status?: DeadLetterStatus;
}

/** Which open letters, and whether only to tell */
export class WhichLettersDto {
  /**
   * Only letters about this vendor's orders
   * @example "alpine-outdoor"
   */
  @IfPresent()
  @Matches(VENDOR_ID, A_VENDOR_ID)
  vendorId?: string;

  /**
   * Only letters created before this time
   * @example "2030-01-31T12:00:00.000Z"
   */
  @IfPresent()
  @IsTimestamp()
  before?: string;

  /**
   * Tell what would happen, and change nothing
   * @example true
   */
  @IfPresent()
  @IsBoolean()
  dryRun?: boolean;
}

export class ReplayedDto implements Replayed {
  /**
   * Open letters that were asked for
   * @example 12
   */
  matched!: number;
  /**
   * Letters whose order is on its way again
   * @example 11
   */
  replayed!: number;
  /** Nothing was changed: `replayed` is what would be */
  dryRun!: boolean;
}

export class DismissedDto implements Dismissed {
  /**
   * Open letters that were asked for
   * @example 12
   */
  matched!: number;
  /**
   * Letters that were closed
   * @example 3
   */
  dismissed!: number;
  /** Nothing was changed: `dismissed` is what would be */
  dryRun!: boolean;
}

export class DeadLetterAttemptDto implements DeadLetterAttempt {
  /** @example "2030-01-31T12:00:00.000Z" */
  at!: string;
  /**
   * null: it was never heard of again
   * @example "2030-01-31T12:00:10.000Z"
   */
  finishedAt!: string | null;
  /** @example "unknown" */
  outcome!: AttemptOutcome | null;
  /**
   * What the vendor answered
   * @example "did not answer within 10.0 s"
   */
  detail!: string | null;
  /** Whether it counts towards the limit of attempts */
  counted!: boolean;
}

export class DeadLetterDto implements DeadLetter {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  deadLetterId!: string;
  /** @example "alpine-outdoor" */
  vendorId!: string | null;
  /**
   * null where the message names none
   * @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d"
   */
  orderId!: string | null;
  /** @example "open" */
  status!: DeadLetterStatus;
  /**
   * Why it was given up
   * @example "Alpine Outdoor gave no definite answer to 12 purchases sent."
   */
  cause!: string;
  /** The last purchases sent for the order (50 at most), oldest first */
  attempts!: DeadLetterAttemptDto[];
  /** The message, as far as it could be read */
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { orderId: '01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d' },
  })
  payload!: Record<string, unknown>;
  /** @example "2030-01-31T12:00:00.000Z" */
  createdAt!: string;
  /**
   * When it was replayed or dismissed
   * @example null
   */
  decidedAt!: string | null;
  /**
   * By which client
   * @example null
   */
  decidedBy!: string | null;
}

export class DeadLetterPageDto {
  items!: DeadLetterDto[];
  nextCursor!: string | null;
}
