import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { IfPresent, NumberInQuery } from './rules';

export const PAGE_LIMIT_MAX = 200;
const PAGE_LIMIT_DEFAULT = 50;

/** How every list is paged. */
export class PageQuery {
  /** Items a page */
  @IfPresent()
  @NumberInQuery()
  @IsInt()
  @Min(1)
  @Max(PAGE_LIMIT_MAX)
  limit: number = PAGE_LIMIT_DEFAULT;

  /** `nextCursor` of the page before */
  @IsOptional()
  @IsString()
  cursor?: string;
}
