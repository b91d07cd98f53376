import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../auth/access';
import { ApiProblems } from '../http/api-problems';
import { decodeCursor, isTimestampText, page } from '../http/cursor';
import { TakesNoBody } from '../http/json-body';
import { UUID } from '../http/rules';
import { Cancellation } from './fulfilment/cancellation';
import { OrderQueries } from './order-queries';
import { OrderDto, OrderEventsDto, OrderPageDto, OrderQuery, PlaceOrderDto } from './orders.dto';
import { Placement, type PlacementContext } from './placement/placement';
import { ApiPlacing, placedAt, PlacingRequest } from './placing-route';

@ApiTags('orders')
@Controller('v1/orders')
export class OrdersController {
  constructor(
    private readonly placement: Placement,
    private readonly cancellation: Cancellation,
    private readonly queries: OrderQueries,
  ) {}

  @Post()
  @RequiresScope('orders:write')
  @ApiPlacing(OrderDto)
  @ApiOperation({
    operationId: 'placeOrder',
    summary: 'Place an order',
    description:
      'Answers once the order and its reserved stock are stored; the vendor is asked afterwards. With an ' +
      '`Idempotency-Key` the request can be repeated safely: the first answer is given again.',
  })
  async place(
    @Body() line: PlaceOrderDto,
    @PlacingRequest() context: PlacementContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrderDto> {
    const { order, replayed } = await this.placement.place(line, context);
    const { orderId } = order;
    placedAt(reply, `/v1/orders/${orderId}`, { orderId }, replayed);
    return order;
  }

  @Get()
  @RequiresScope('orders:read')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR')
  @ApiOperation({ operationId: 'listOrders', summary: 'Orders, newest first' })
  async list(@Query() { limit, cursor, ...filter }: OrderQuery): Promise<OrderPageDto> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, [isTimestampText, (id) => UUID.test(id)]);
    const found = await this.queries.list({
      ...filter,
      after: after as [string, string] | undefined,
      limit: limit + 1,
    });
    return page(
      found,
      limit,
      ({ order }) => order,
      ({ sortKey }) => sortKey,
    );
  }

  @Get(':orderId')
  @RequiresScope('orders:read')
  @ApiProblems('VALIDATION_FAILED', 'ORDER_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'getOrder', summary: 'One order' })
  get(@Param('orderId') orderId: string): Promise<OrderDto> {
    return this.queries.get(orderId);
  }

  @Post(':orderId/cancel')
  @TakesNoBody()
  @RequiresScope('orders:write')
  @HttpCode(200)
  @ApiProblems('VALIDATION_FAILED', 'ORDER_NOT_FOUND', 'ORDER_NOT_CANCELLABLE', 'URI_TOO_LONG')
  @ApiOkResponse({ type: OrderDto, description: 'It is cancelled, and its stock is free again' })
  @ApiAcceptedResponse({
    type: OrderDto,
    description: 'The vendor is asked; the stock stays held until it has answered',
  })
  @ApiOperation({
    operationId: 'cancelOrder',
    summary: 'Cancel an order',
    description:
      'Decided at once (`200`) while nothing was ever sent to the vendor. Otherwise (`202`) the vendor is asked: the order ' +
      'ends `failed` with the reason `CANCELLED` once it has confirmed, else `completed`, and its events say why.',
  })
  async cancel(@Param('orderId') orderId: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<OrderDto> {
    const { order, decided } = await this.cancellation.cancel(orderId);
    if (!decided) void reply.status(202);
    return order;
  }

  @Get(':orderId/events')
  @RequiresScope('orders:read')
  @ApiProblems('VALIDATION_FAILED', 'ORDER_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'listOrderEvents', summary: 'What happened to an order, oldest first' })
  async events(@Param('orderId') orderId: string): Promise<OrderEventsDto> {
    return { items: await this.queries.events(orderId) };
  }
}
