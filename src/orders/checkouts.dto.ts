import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayNotEmpty, IsArray, ValidateNested } from 'class-validator';
import type { Checkout, CheckoutStatus } from './checkout';
import { OrderDto, PlaceOrderDto } from './orders.dto';

const LINES_MAX = 100;

export class CheckOutDto {
  /** What to buy; lines for the same product are summed */
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(LINES_MAX)
  @ValidateNested({ each: true })
  @Type(() => PlaceOrderDto)
  lines!: PlaceOrderDto[];
}

export class CheckoutDto implements Checkout {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4c" */
  checkoutId!: string;
  /**
   * Follows from its orders
   * @example "pending"
   */
  status!: CheckoutStatus;
  /** @example "USD" */
  currency!: string;
  /** @example "199.00" */
  totalPrice!: string;
  /** One for each product */
  orders!: OrderDto[];
}
