import { Body, Controller, Get, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../auth/access';
import { ApiProblems } from '../http/api-problems';
import { checkoutOf } from './checkout';
import { CheckOutDto, CheckoutDto } from './checkouts.dto';
import type { Order } from './order';
import { OrderQueries } from './order-queries';
import { Placement, type PlacementContext } from './placement/placement';
import { ApiPlacing, placedAt, PlacingRequest } from './placing-route';

@ApiTags('checkouts')
@Controller('v1/checkouts')
export class CheckoutsController {
  constructor(
    private readonly placement: Placement,
    private readonly queries: OrderQueries,
  ) {}

  @Post()
  @RequiresScope('orders:write')
  @ApiPlacing(CheckoutDto)
  @ApiOperation({
    operationId: 'checkOut',
    summary: 'Place orders for several products, all or nothing',
    description: 'Where lines do not fit, `errors` names every one of them, and nothing is stored.',
  })
  async checkOut(
    @Body() { lines }: CheckOutDto,
    @PlacingRequest() context: PlacementContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CheckoutDto> {
    const { orders, replayed } = await this.placement.checkOut(lines, context);
    const checkout = checkoutOf(orders as [Order]);
    const { checkoutId } = checkout;
    const orderIds = checkout.orders.map(({ orderId }) => orderId);
    placedAt(reply, `/v1/checkouts/${checkoutId}`, { checkoutId, orderIds }, replayed);
    return checkout;
  }

  @Get(':checkoutId')
  @RequiresScope('orders:read')
  @ApiProblems('VALIDATION_FAILED', 'CHECKOUT_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'getCheckout', summary: 'One checkout, as its orders stand now' })
  async get(@Param('checkoutId') checkoutId: string): Promise<CheckoutDto> {
    return checkoutOf(await this.queries.ofCheckout(checkoutId));
  }
}
