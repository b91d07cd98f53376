import type { Command } from 'commander';
import type { Order } from '../../orders/order';
import type { OrderEvent } from '../../orders/order-events.repository';
import { limitOption, vendorOption } from './options';
import { type Desk, listed, segment } from './session';
import type { Column } from './table';

const COLUMNS: Column<Order>[] = [
  ['order', ({ orderId }) => orderId],
  ['product', ({ productId }) => productId],
  ['quantity', ({ quantity }) => quantity],
  ['status', ({ status, failureReason }) => (failureReason === null ? status : `${status} (${failureReason})`)],
  ['placed', ({ createdAt }) => createdAt],
  ['attention', ({ attentionReason }) => attentionReason],
];
const EVENT_COLUMNS: Column<OrderEvent>[] = [
  ['at', ({ at }) => at],
  ['type', ({ type }) => type],
  ['detail', ({ detail }) => detail, 'whole'],
];

interface ListOptions {
  status?: string;
  vendor?: string;
  product?: string;
  checkout?: string;
  attention?: boolean;
  after?: string;
  before?: string;
  limit: number;
}

export function orderCommands(program: Command, desk: Desk): void {
  const orders = program.command('orders').description('orders, and what happened to them');

  desk.does<ListOptions>(
    orders
      .command('list', { isDefault: true })
      .description('newest first')
      .option('--status <status>', 'pending, completed or failed')
      .addOption(vendorOption())
      .option('--product <productId>', 'only of this product')
      .option('--checkout <checkoutId>', 'only of this checkout')
      .option('--attention', 'only those that wait for an operator')
      .option('--after <time>', 'placed at this time or later (ISO 8601)')
      .option('--before <time>', 'placed before this time (ISO 8601)')
      .addOption(limitOption()),
    async (session, _, { status, vendor, product, checkout, attention, after, before, limit }) => {
      const query = {
        status,
        vendorId: vendor,
        productId: product,
        checkoutId: checkout,
        needsAttention: attention,
        createdAfter: after,
        createdBefore: before,
      };
      session.screen.list(
        await listed<Order>(session, '/v1/orders', query, limit),
        COLUMNS,
        'There are no such orders.',
      );
    },
  );
  desk.does(orders.command('show').description('one order').argument('<orderId>'), async ({ api, screen }, [orderId]) =>
    screen.show(await api.get<Order>(pathOf(orderId!))),
  );
  desk.does(
    orders.command('events').description('what happened to it, oldest first').argument('<orderId>'),
    async ({ api, screen }, [orderId]) => {
      screen.list(
        await api.get<{ items: OrderEvent[] }>(`${pathOf(orderId!)}/events`),
        EVENT_COLUMNS,
        'Nothing happened.',
      );
    },
  );
  desk.does(
    orders.command('cancel').description('cancel it, at its vendor if need be').argument('<orderId>'),
    async ({ api, screen }, [orderId]) => {
      const order = await api.post<Order>(`${pathOf(orderId!)}/cancel`);
      const sentence =
        order.status === 'failed'
          ? `${order.orderId} is cancelled.`
          : `${order.orderId} may have been sent: its vendor is asked to cancel it (orders events ${order.orderId}).`;
      screen.tell(sentence, order);
    },
  );
}

function pathOf(orderId: string): string {
  return `/v1/orders/${segment(orderId)}`;
}
