import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { Order } from '../../orders/order';
import type { OrderEvent } from '../../orders/order-events.repository';
import { ApiRefused } from './api';
import { ExitCode, WrongCall } from './exit-codes';
import { limitOption, vendorOption } from './options';
import { type Desk, listed, segment, type Session } from './session';
import { type Column, counted } from './table';

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
  desk.does<{ idempotencyKey: string }>(
    orders
      .command('place')
      .description('place one')
      .argument('<productId>')
      .argument('<quantity>', 'units', wholeNumber)
      .requiredOption('--idempotency-key <text>', 'placed once, however often you ask; such as again-<an order’s id>'),
    async ({ api, screen }, [productId, quantity], { idempotencyKey }) => {
      const order = await api.post<Order>('/v1/orders', { productId, quantity }, idempotencyKey);
      screen.tell(`${order.orderId} is placed: ${order.quantity} of ${order.productId}.`, order);
    },
  );
  desk.does<{ from: string }>(
    orders
      .command('forgotten')
      .description('which references of a vendor are unknown here, as after a restore')
      .requiredOption('--from <file>', 'references, one a line'),
    (session, _, { from }) => tellForgotten(session, from),
  );
}

async function tellForgotten({ api, screen }: Session, file: string): Promise<ExitCode> {
  const references = await linesOf(file);
  const forgotten: string[] = [];
  try {
    for (const [done, reference] of references.entries()) {
      screen.progress(done, references.length, `${forgotten.length} unknown here`);
      if (!(await isKnown(api, reference))) forgotten.push(reference);
    }
  } finally {
    screen.clearProgress();
  }
  screen.tell(forgotten.join('\n') || 'None is unknown here.', { references: references.length, forgotten });
  screen.note(`${counted(references.length, 'reference')}, ${forgotten.length} unknown here.`);
  return forgotten.length > 0 ? ExitCode.found : ExitCode.done;
}

async function isKnown(api: Session['api'], reference: string): Promise<boolean> {
  try {
    await api.get<Order>(pathOf(reference));
    return true;
  } catch (error) {
    if (error instanceof ApiRefused && error.problem.code === 'ORDER_NOT_FOUND') return false;
    throw error;
  }
}

/** Without the empty ones. Throws `WrongCall` where it cannot be read. */
async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new WrongCall(`--from: ${file} cannot be read (${cause.message}).`);
  });
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number.');
}

function pathOf(orderId: string): string {
  return `/v1/orders/${segment(orderId)}`;
}
