import { Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsObject, IsOptional, Matches, Max, Min, ValidateNested } from 'class-validator';
import { DURATION_MS_MAX } from '../config/setting';
import { IfPresent, IsFlag, IsPrintable } from '../http/rules';
import { IsBaseUrl } from './base-url.rule';
import { type BreakerState, STALE_STOCK_POLICIES, type StaleStock, type VendorNow } from './vendor';

const QUANTITY_MAX = 2_147_483_647;

export class StaleStockDto implements StaleStock {
  /** `sell` all of it, what is above the `buffer`, or `block` new orders */
  @IsIn(STALE_STOCK_POLICIES)
  policy: StaleStock['policy'] = 'sell';

  /** Units of each product that are kept back with the policy `buffer` */
  @IfPresent()
  @IsInt()
  @Min(0)
  @Max(QUANTITY_MAX)
  bufferQuantity: number = 0;
}

export class PutVendorQuery {
  /**
   * With another `kind` or `baseUrl`: the same vendor's same books are there now, such as under a new name or with https. What
   * was sent before is asked there, and what was accepted is contained in what is listed there. Without it the new address
   * is taken for other books. Sent once more with the address unchanged it says so of the address before
   */
  @IfPresent()
  @IsFlag()
  moved: boolean = false;
}

export class PutVendorDto {
  /**
   * Name for people
   * @example "Alpine Outdoor"
   */
  @IsPrintable(200)
  name!: string;

  /**
   * The dialect the vendor speaks
   * @example "rest"
   */
  @IsPrintable(32)
  kind!: string;

  /**
   * Where its API begins; without user, password, query and fragment
   * @example "http://127.0.0.1:3002/alpine-outdoor"
   */
  @IsBaseUrl()
  baseUrl!: string;

  /** Whether it is polled and takes new orders */
  @IfPresent()
  @IsBoolean()
  enabled: boolean = true;

  /** How often its stock is polled; the installation's default when absent */
  @IsOptional()
  @IsInt()
  @Min(10)
  @Max(86_400_000)
  syncIntervalMs?: number | null;

  /**
   * How often its stock is listed whole; in between only what changed is asked for, where it offers that. When absent each
   * poll lists it whole: only a complete listing tells what is no longer sold
   */
  @IsOptional()
  @IsInt()
  @Min(10)
  @Max(DURATION_MS_MAX)
  fullSyncIntervalMs?: number | null;

  /** Orders under way at once, over all workers */
  @IfPresent()
  @IsInt()
  @Min(1)
  @Max(64)
  maxConcurrentOrders: number = 4;

  /**
   * Name of the environment variable that holds the token it wants: as a bearer token, or (`wholesale`) as `X-Api-Key`
   * @example "VENDOR_TOKEN_ALPINE"
   */
  @IsOptional()
  @Matches(/^VENDOR_TOKEN_[A-Z0-9_]{1,60}$/, { message: 'must match VENDOR_TOKEN_[A-Z0-9_]{1,60}' })
  credentialEnv?: string | null;

  /** How far the vendor's own clocks may disagree */
  @IfPresent()
  @IsInt()
  @Min(0)
  @Max(3_600_000)
  clockMarginMs: number = 0;

  /** How old what it lists may be; a listing without a vendor's time settles no earlier acceptance without it */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(DURATION_MS_MAX)
  feedMaxAgeMs?: number | null;

  /** What is sold of its stock while the picture of it is stale */
  @IfPresent()
  @IsObject()
  @ValidateNested()
  @Type(() => StaleStockDto)
  staleStock: StaleStockDto = new StaleStockDto();

  /** How long after an order was sent the vendor's books may still not show it */
  @IfPresent()
  @IsInt()
  @Min(0)
  @Max(DURATION_MS_MAX)
  consistencyLagMs: number = 5000;

  /** Purchases sent before an order needs attention; the installation's default when absent */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1000)
  deliveryAttemptsMax?: number | null;
}

export class BreakersDto {
  /**
   * Purchases, look-ups and cancellations
   * @example "closed"
   */
  orders!: BreakerState;
  /**
   * Polls of its stock
   * @example "closed"
   */
  stock!: BreakerState;
}

export class VendorDto implements VendorNow {
  /** @example "alpine-outdoor" */
  vendorId!: string;
  /** @example "Alpine Outdoor" */
  name!: string;
  /** @example "rest" */
  kind!: string;
  /** @example "http://127.0.0.1:3002/alpine-outdoor" */
  baseUrl!: string;
  enabled!: boolean;
  /** null: the installation's default */
  syncIntervalMs!: number | null;
  /** null: each poll lists its stock whole */
  fullSyncIntervalMs!: number | null;
  /** @example 4 */
  maxConcurrentOrders!: number;
  credentialEnv!: string | null;
  /** @example 0 */
  clockMarginMs!: number;
  feedMaxAgeMs!: number | null;
  staleStock!: StaleStockDto;
  /** @example 5000 */
  consistencyLagMs!: number;
  /** null: the installation's default */
  deliveryAttemptsMax!: number | null;
  /**
   * That of `orders`. `open`: it failed again and again, and is left alone for a while; `halfOpen`: the next call tries
   * whether it is well again
   * @example "closed"
   */
  breaker!: BreakerState;
  breakers!: BreakersDto;
  /** An operator has stopped dispatch: its orders wait */
  paused!: boolean;
  /**
   * When the last successful poll began
   * @example "2030-01-31T12:00:00.000Z"
   */
  lastSyncAt!: string | null;
  /** @example 12 */
  stockAgeSeconds!: number | null;
  /** The last successful poll is older than three poll intervals, or there was none */
  stale!: boolean;
}

export class VendorPageDto {
  items!: VendorDto[];
  nextCursor!: string | null;
}
