import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiResponse } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { PageQuery } from '../http/page.dto';
import { IfPresent, IsFlag, IsPrintable } from '../http/rules';
import { VENDOR_ID } from '../vendors/vendor';
import { SEARCHABLE } from './name-search';
import type { Product } from './product';

export class ProductQuery extends PageQuery {
  /** Only this vendor's */
  @IsOptional()
  @Matches(VENDOR_ID, { message: 'must be a vendor id such as alpine-outdoor' })
  vendorId?: string;

  /** Part of the name, whatever its case: three letters or digits in a row, two words, or a letter beyond ASCII */
  @IsOptional()
  @IsPrintable(100)
  @Matches(SEARCHABLE, {
    message: 'is too short to search by: give three letters or digits in a row, two words, or a letter beyond ASCII',
  })
  q?: string;

  /** Only those of which something can be sold, or only those of which nothing can */
  @IsOptional()
  @IsFlag()
  inStock?: boolean;

  /** false: only those that left their vendor's listing */
  @IfPresent()
  @IsFlag()
  listed: boolean = true;
}

export class ProductDto implements Product {
  /** @example "alpine-outdoor:TENT-2P-GREEN" */
  productId!: string;
  /** @example "alpine-outdoor" */
  vendorId!: string;
  /** @example "TENT-2P-GREEN" */
  sku!: string;
  /** @example "Two-Person Tent, Green" */
  name!: string;
  /** @example "199.00" */
  price!: string;
  /** @example "USD" */
  currency!: string;
  /**
   * max(0, vendorQuantity − reservedQuantity)
   * @example 38
   */
  stockQuantity!: number;
  /**
   * What an order placed now could get: less than `stockQuantity` while `stale`, if the vendor's `staleStock` says so;
   * 0 when it is unlisted or its vendor disabled
   * @example 38
   */
  sellableQuantity!: number;
  /**
   * What the vendor said last
   * @example 40
   */
  vendorQuantity!: number;
  /**
   * What is promised and not in the vendor's number yet
   * @example 2
   */
  reservedQuantity!: number;
  /** Whether the vendor's last complete listing had it */
  listed!: boolean;
  /**
   * Start of the last poll that covered it, by our clock
   * @example "2030-01-31T12:00:00.000Z"
   */
  observedAt!: string;
  /** The vendor's last successful poll is older than three of its intervals */
  stale!: boolean;
  /** @example "2030-01-31T12:00:00.000Z" */
  updatedAt!: string;
}

export class ProductPageDto {
  items!: ProductDto[];
  nextCursor!: string | null;
}

/** Documents what reading one product has beyond its body. */
export const ApiOneProduct = (): MethodDecorator => {
  const ETag = { description: 'Of this very answer', schema: { type: 'string' } };
  const Age = { description: 'Seconds; only where it is stale', schema: { type: 'integer' } };
  return applyDecorators(
    ApiHeader({
      name: 'If-None-Match',
      required: false,
      description: 'Tags of answers that are known, or *',
      schema: { type: 'string' },
    }),
    ApiOkResponse({ type: ProductDto, headers: { ETag, Age } }),
    ApiResponse({ status: 304, description: 'It is as one of the known answers says', headers: { ETag, Age } }),
  );
};
