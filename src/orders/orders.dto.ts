import { IsIn, IsInt, IsOptional, Matches, Max, Min } from 'class-validator';
import { PageQuery } from '../http/page.dto';
import { IfPresent, IsFlag, IsId, IsPrintable, IsTimestamp } from '../http/rules';
import { PRODUCT_ID_LENGTH_MAX } from '../stock/product';
import { VENDOR_ID } from '../vendors/vendor';
import { type Order, QUANTITY_MAX } from './order';
import type { OrderEvent, OrderEventType } from './order-events.repository';
import { type FailureReason, ORDER_STATUSES, type OrderStatus } from './order-status';

export class PlaceOrderDto {
  /**
   * What to buy
   * @example "alpine-outdoor:TENT-2P-GREEN"
   */
  @IsPrintable(PRODUCT_ID_LENGTH_MAX)
  productId!: string;

  /**
   * How many
   * @example 1
   */
  @IsInt()
  @Min(1)
  @Max(QUANTITY_MAX)
  quantity!: number;
}

export class OrderQuery extends PageQuery {
  /** Only orders of this status */
  @IfPresent()
  @IsIn(ORDER_STATUSES)
  status?: OrderStatus;

  /** Only orders at this vendor */
  @IsOptional()
  @Matches(VENDOR_ID, { message: 'must be a vendor id such as alpine-outdoor' })
  vendorId?: string;

  /** Only orders of this product */
  @IsOptional()
  @IsPrintable(PRODUCT_ID_LENGTH_MAX)
  productId?: string;

  /** Only orders of this checkout */
  @IsOptional()
  @IsId()
  checkoutId?: string;

  /** Only orders that wait for an operator, or only those that do not */
  @IsOptional()
  @IsFlag()
  needsAttention?: boolean;

  /** Placed at this time or later */
  @IsOptional()
  @IsTimestamp()
  createdAfter?: string;

  /** Placed before this time */
  @IsOptional()
  @IsTimestamp()
  createdBefore?: string;
}

export class OrderDto implements Order {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  orderId!: string;
  /** @example "alpine-outdoor:TENT-2P-GREEN" */
  productId!: string;
  /** @example "alpine-outdoor" */
  vendorId!: string;
  /** @example 1 */
  quantity!: number;
  /**
   * The product's price when the order was placed
   * @example "199.00"
   */
  unitPrice!: string;
  /** @example "199.00" */
  totalPrice!: string;
  /** @example "USD" */
  currency!: string;
  /** @example "pending" */
  status!: OrderStatus;
  /** @example null */
  failureReason!: FailureReason | null;
  /**
   * The order's name in the vendor's books
   * @example null
   */
  vendorOrderId!: string | null;
  /**
   * The checkout it was placed with
   * @example null
   */
  checkoutId!: string | null;
  /** It waits for an operator; its stock stays held */
  needsAttention!: boolean;
  /** @example null */
  attentionReason!: string | null;
  /**
   * When its cancellation was asked for
   * @example null
   */
  cancelRequestedAt!: string | null;
  /** @example "2030-01-31T12:00:00.000Z" */
  createdAt!: string;
  /** @example "2030-01-31T12:00:00.000Z" */
  updatedAt!: string;
}

export class OrderPageDto {
  items!: OrderDto[];
  nextCursor!: string | null;
}

export class OrderEventDto implements OrderEvent {
  /** @example "2030-01-31T12:00:00.000Z" */
  at!: string;
  /**
   * New types may come
   * @example "placed"
   */
  type!: OrderEventType;
  /**
   * What happened, in plain words
   * @example "1 reserved of 38 that could be sold."
   */
  detail!: string;
}

export class OrderEventsDto {
  items!: OrderEventDto[];
}
