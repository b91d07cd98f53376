import { Client, type QueryConfig } from 'pg';
import type { Transaction } from '../../../../src/database/sql';
import { Outbox } from '../../../../src/messaging/outbox';
import { ClaimRepository } from '../../../../src/orders/fulfilment/claim.repository';
import { Outcome } from '../../../../src/orders/fulfilment/outcome';
import { OrderRepository } from '../../../../src/orders/order.repository';
import { Batch } from '../../../../src/orders/placement/batch';
import { IdempotencyRepository } from '../../../../src/orders/placement/idempotency.repository';
import { PlacementRepository } from '../../../../src/orders/placement/placement.repository';
import { type ProductKey, StockRepository } from '../../../../src/stock/stock.repository';
import { RestAdapter } from '../../../../src/vendors/adapters/rest/rest-adapter';
import { SlotRepository } from '../../../../src/vendors/slot.repository';
import type { Stage } from './stage';

/** Plants a bug in the running app; `jest.restoreAllMocks` takes it out again. */
export type Plant = (stage: Stage) => void;

type Query = (this: Client, config: QueryConfig, ...rest: unknown[]) => unknown;

/** The prepared statement says something else from now on. */
export function rewording(name: string, text: string, instead: string): void {
  const prototype = Client.prototype as unknown as { query: Query };
  const { query } = prototype;
  jest.spyOn(prototype, 'query').mockImplementation(function (this: Client, config, ...rest) {
    if (config.name !== name) return query.call(this, config, ...rest);
    if (!config.text.includes(text)) throw new Error(`${name} does not say ${text}`);
    // Under a name of its own: a connection keeps the text that it has prepared.
    const reworded = { ...config, name: `${name}-reworded`, text: config.text.replace(text, instead) };
    return query.call(this, reworded, ...rest);
  });
}

/** Whoever arrives waits for the other; later ones pass. */
export function meeting(): () => Promise<void> {
  let arrived = 0;
  let open = (): void => undefined;
  const both = new Promise<void>((resolve) => (open = resolve));
  return async () => {
    if (++arrived === 2) open();
    await both;
  };
}

const PRODUCT = `SELECT p.product_id, p.price, p.stock_quantity, now() AS at FROM products p
  WHERE p.vendor_id = $1 AND p.product_id = $2`;

async function read(tx: Transaction, { vendorId, productId }: ProductKey, lock: string) {
  const [found] = await tx.query<{ price: string; stock_quantity: number; at: Date }[]>(`${PRODUCT} ${lock}`, [
    vendorId,
    productId,
  ]);
  const { price, stock_quantity: sellableQuantity, at } = found!;
  return [productId, { price, sellableQuantity, vendorEnabled: true, blocked: false, at }] as const;
}

/** Batches are decided order by order, where the plants stand. */
export function decidingEachByItself({ app }: Stage): void {
  jest.spyOn(app.context.get(PlacementRepository), 'placeIfAllFit').mockResolvedValue(undefined);
}

export const sellingOneMoreThanIsLeft: Plant = (stage) => {
  decidingEachByItself(stage);
  const { app } = stage;
  const stock = app.context.get(StockRepository);
  const lock = stock.lockForPlacement.bind(stock);
  jest.spyOn(stock, 'lockForPlacement').mockImplementation(async (tx, keys, skipLocked) => {
    const found = await lock(tx, keys, skipLocked);
    for (const product of found.products.values()) product.sellableQuantity ||= 1;
    return found;
  });
};

/** Two read what is left before either has written. */
export const readingStockWithoutLock: Plant = (stage) => {
  decidingEachByItself(stage);
  const { app } = stage;
  const meet = meeting();
  jest.spyOn(app.context.get(StockRepository), 'lockForPlacement').mockImplementation(async (tx, keys) => {
    const products = new Map(await Promise.all(keys.map((key) => read(tx, key, ''))));
    await meet();
    return { products, locked: new Set() };
  });
};

/** Two have locked their first product before either locks its second. */
export const lockingInRequestOrder: Plant = (stage) => {
  decidingEachByItself(stage);
  const { app } = stage;
  const meet = meeting();
  jest
    .spyOn(app.context.get(StockRepository), 'lockForPlacement')
    .mockImplementation(async (tx, [first, ...others]) => {
      const products = [await read(tx, first!, 'FOR NO KEY UPDATE')];
      await meet();
      for (const key of others) products.push(await read(tx, key, 'FOR NO KEY UPDATE'));
      return { products: new Map(products), locked: new Set() };
    });
};

/** An outcome has its order, a cancellation its product, before either goes on. */
export const lockingOrderBeforeProduct: Plant = ({ app }) => {
  const meet = meeting();
  const [stock, orders] = [app.context.get(StockRepository), app.context.get(OrderRepository)];
  const lock = stock.lock.bind(stock);
  jest.spyOn(stock, 'lock').mockImplementation(async (tx, vendorId, productId) => {
    await lock(tx, vendorId, productId);
    await meet();
  });
  const outcome = app.context.get(Outcome);
  jest.spyOn(outcome, 'accepted').mockImplementation(async ({ vendorId, productId, orderId }) => {
    await app.dataSource.transaction(async (tx) => {
      await orders.lock(tx, orderId);
      await meet();
      await lock(tx, vendorId, productId);
    });
  });
};

/** One after the other has the claims and gives them back, before either writes anything under them. */
export const claimingKeysInAnotherTransaction: Plant = (stage) => {
  decidingEachByItself(stage);
  const { app } = stage;
  const meet = meeting();
  const idempotency = app.context.get(IdempotencyRepository);
  const claim = idempotency.claim.bind(idempotency);
  let earlier: Promise<unknown> = Promise.resolve();
  jest.spyOn(idempotency, 'claim').mockImplementation(async (_, keys) => {
    const claims = earlier.then(() => app.dataSource.transaction((tx) => claim(tx, keys)));
    earlier = claims;
    await claims;
    await meet();
    return claims;
  });
};

export const takingSilenceForRefusal: Plant = ({ app }) => {
  const adapter = app.context.get(RestAdapter);
  const purchase = adapter.purchase.bind(adapter);
  jest.spyOn(adapter, 'purchase').mockImplementation(async (vendor, asked) => {
    const answer = await purchase(vendor, asked);
    return answer.outcome === 'unknown' ? { outcome: 'refused', reason: 'REFUSED', detail: answer.detail } : answer;
  });
};

/** As if it were answered before a commit that then failed. */
export const answeringBeforeTheCommit: Plant = ({ app }) => {
  const batch = app.context.get(Batch);
  const commit = batch.commit.bind(batch);
  jest.spyOn(batch, 'commit').mockImplementation(async (asked, skipLocked) => {
    const settled = await commit(asked, skipLocked);
    await app.dataSource.query('DELETE FROM outbox; DELETE FROM order_events; DELETE FROM orders');
    return settled;
  });
};

export const forgettingTheWishToCancel: Plant = ({ app }) => {
  jest.spyOn(app.context.get(OrderRepository), 'requestCancellation').mockResolvedValue();
};

export const ignoringTheWishToCancel: Plant = ({ app }) => {
  const claims = app.context.get(ClaimRepository);
  const take = claims.take.bind(claims);
  jest.spyOn(claims, 'take').mockImplementation(async (...asked) => {
    const taking = await take(...asked);
    if (!taking.taken) return taking;
    const { claim, history } = taking;
    return { ...taking, claim: { ...claim, cancelRequested: false }, sending: history.open === 0 };
  });
};

export const keepingSlots: Plant = ({ app }) => {
  jest.spyOn(app.context.get(SlotRepository), 'free').mockResolvedValue();
  rewording('complete-accepted', 'SET token = NULL, leased_until = NULL', 'SET token = token');
};

/** The message of placement is sent, and none after it. */
export const forgettingToComeBack: Plant = ({ app }) => {
  jest.spyOn(app.context.get(Outbox), 'enqueue').mockResolvedValue();
};
