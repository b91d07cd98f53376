import { Client, type QueryConfig } from 'pg';
import type { EntityManager } from 'typeorm';
import { AcceptanceRepository } from '../../src/orders/fulfilment/acceptance.repository';
import { AttemptRepository } from '../../src/orders/fulfilment/attempt.repository';
import { ClaimRepository } from '../../src/orders/fulfilment/claim.repository';
import { OrderEventsRepository } from '../../src/orders/order-events.repository';
import { OrderRepository } from '../../src/orders/order.repository';
import { IdempotencyRepository } from '../../src/orders/placement/idempotency.repository';
import { PlacementRepository } from '../../src/orders/placement/placement.repository';
import { OutboxRepository } from '../../src/messaging/outbox.repository';
import { ProductQueries } from '../../src/stock/product-queries';
import { StockRepository } from '../../src/stock/stock.repository';
import { SlotRepository } from '../../src/vendors/slot.repository';
import type { TestApp } from './app';

export interface HotStatement {
  name: string;
  text: string;
}

const CLAIM = { orderId: 'nobody', vendorId: 'acme', productId: 'acme:A', token: '1', quantity: 1 } as never;
const KEY = { id: 'k', client: 'c', route: 'r', key: 'k', fingerprint: Buffer.alloc(32) };
const ORDER = {
  ...{ orderId: 'nobody', vendorId: 'acme', productId: 'acme:none', quantity: 1, client: 'c' },
  ...{ checkoutId: null, traceparent: null },
};
const RULES = { currency: 'USD', idempotencyTtlHours: 1, stockSyncIntervalMs: 1000 };
const LIMITS = { claimLeaseMs: 1, vendorTotalMs: 1, deliveryAttemptsMax: 1, deliveryAgeMsMax: 1 };

type Ask = (tx: EntityManager) => Promise<unknown>;

/** Has every statement whose plan is kept asked once, of nothing that exists, and answers them by their names. */
export async function hotStatements(app: TestApp): Promise<HotStatement[]> {
  const get = app.context.get.bind(app.context);
  const stock = get(StockRepository);
  const product = { vendorId: 'acme', productId: 'acme:none' };
  const asks: Ask[] = [
    ...[true, false].map((skipLocked) => async (tx: EntityManager) => {
      await stock.lockForPlacement(tx, [product], skipLocked);
      await get(PlacementRepository).placeIfAllFit([ORDER], [{ ...KEY, orderIds: ['nobody'] }], skipLocked, RULES);
    }),
    (tx) => get(PlacementRepository).write(tx, [], [{ ...KEY, status: 201, answer: {} } as never], RULES),
    (tx) => get(IdempotencyRepository).claim(tx, [KEY]),
    (tx) => get(ClaimRepository).take(tx, 'nobody', LIMITS),
    (tx) => get(ClaimRepository).release(tx, CLAIM),
    (tx) => get(ClaimRepository).handOver(tx, CLAIM, 'why'),
    (tx) => get(AcceptanceRepository).complete(tx, CLAIM, { vendorOrderId: 'v', acceptedAt: new Date() } as never, ''),
    (tx) => get(AttemptRepository).finish(tx, 'nobody', '1', { outcome: 'unknown', detail: '', counted: true }),
    (tx) => get(AttemptRepository).closeAll(tx, 'nobody'),
    (tx) => get(AttemptRepository).closeAllProved(tx, CLAIM),
    (tx) =>
      get(OrderRepository).complete(tx, 'nobody', {
        ...{ vendorOrderId: 'v', acceptedAt: new Date(), sentAt: null },
        holdState: 'settled',
      } as never),
    (tx) => get(OrderRepository).lock(tx, 'nobody'),
    (tx) => get(OrderRepository).fail(tx, 'nobody', 'why' as never),
    (tx) => get(OrderEventsRepository).add(tx, 'nobody', 'sent', ''),
    (tx) => get(SlotRepository).free(tx, 'acme', '1'),
    (tx) => stock.lock(tx, 'acme', 'acme:none'),
    (tx) => stock.unreserve(tx, 'acme', 'acme:none', 1),
    (tx) => stock.excess(tx, 'acme', 'acme:none'),
    (tx) => stock.recount(tx, 'acme', 'acme:none'),
    (tx) => stock.settleUntil(tx, product, '2026-01-01', 1),
    (tx) => stock.containsAcceptance(tx, product, { acceptedAt: new Date(), sentAt: null, addressEpoch: 1 }),
    (tx) => get(OutboxRepository).insert(tx, []),
    () => get(ProductQueries).findMany(['acme:none']),
  ];
  const query = jest.spyOn(Client.prototype, 'query');
  // Each by itself: one that fails for want of rows has been asked all the same.
  for (const ask of asks) await app.dataSource.transaction(ask).catch(() => undefined);
  const configs = (query.mock.calls as unknown as [QueryConfig | string][]).map(([config]) => config);
  query.mockRestore();
  const named = configs.filter((config): config is QueryConfig => typeof config === 'object' && 'name' in config);
  return [...new Map(named.map(({ name, text }) => [name!, { name: name!, text }])).values()];
}
