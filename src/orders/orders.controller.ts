import { Body, Controller, Get, Headers, Param, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Caller, RequiresScope } from '../auth/access';
import { CurrentCaller } from '../auth/api-key.guard';
import { ApiProblems } from '../http/api-problems';
import { decodeCursor, isTimestampText, page } from '../http/cursor';
import { IdempotencyKeyHeader } from '../http/idempotency-key';
import { UUID } from '../http/rules';
import { OrderQueries } from './order-queries';
import { OrderDto, OrderEventsDto, OrderPageDto, OrderQuery, PlaceOrderDto } from './orders.dto';
import { Placement } from './placement/placement';

/** W3C trace context: version, trace id, parent id, flags. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

@ApiTags('orders')
@Controller('v1/orders')
export class OrdersController {
  constructor(
    private readonly placement: Placement,
    private readonly queries: OrderQueries,
  ) {}

  @Post()
  @RequiresScope('orders:write')
  @ApiProblems(
    'MALFORMED_JSON',
    'VALIDATION_FAILED',
    'BODY_TOO_LARGE',
    'UNSUPPORTED_MEDIA_TYPE',
    'PRODUCT_NOT_FOUND',
    'INSUFFICIENT_STOCK',
    'VENDOR_DISABLED',
    'IDEMPOTENCY_IN_PROGRESS',
    'IDEMPOTENCY_KEY_REUSED',
  )
  @ApiOperation({
    operationId: 'placeOrder',
    summary: 'Place an order',
    description:
      'Answers once the order and its reserved stock are stored; the vendor is asked afterwards. With an ' +
      '`Idempotency-Key` the request can be repeated safely: the first answer is given again.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: "1 to 255 printable characters; belongs to the API key's client",
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  })
  @ApiCreatedResponse({
    type: OrderDto,
    headers: {
      Location: { description: 'Where the order is', schema: { type: 'string' } },
      'Idempotency-Replayed': { description: '`true` on a repeated answer', schema: { type: 'string' } },
    },
  })
  async place(
    @Body() { productId, quantity }: PlaceOrderDto,
    @IdempotencyKeyHeader() idempotencyKey: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @CurrentCaller() { client }: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrderDto> {
    const { order, replayed } = await this.placement.place({
      productId,
      quantity,
      client,
      idempotencyKey,
      traceparent: TRACEPARENT.test(traceparent ?? '') ? traceparent : undefined,
    });
    void reply.header('location', `/v1/orders/${order.orderId}`);
    if (replayed) void reply.header('idempotency-replayed', 'true');
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
  @ApiProblems('ORDER_NOT_FOUND')
  @ApiOperation({ operationId: 'getOrder', summary: 'One order' })
  get(@Param('orderId') orderId: string): Promise<OrderDto> {
    return this.queries.get(orderId);
  }

  @Get(':orderId/events')
  @RequiresScope('orders:read')
  @ApiProblems('ORDER_NOT_FOUND')
  @ApiOperation({ operationId: 'listOrderEvents', summary: 'What happened to an order, oldest first' })
  async events(@Param('orderId') orderId: string): Promise<OrderEventsDto> {
    return { items: await this.queries.events(orderId) };
  }
}
