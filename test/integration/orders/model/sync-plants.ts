import type { Connection, Transaction } from '../../../../src/database/sql';
import { Cancellation } from '../../../../src/orders/fulfilment/cancellation';
import { ApplyRepository } from '../../../../src/stock/sync/apply.repository';
import type { StagedListing } from '../../../../src/stock/sync/settling';
import { StockRepository } from '../../../../src/stock/stock.repository';
import { RestAdapter } from '../../../../src/vendors/adapters/rest/rest-adapter';
import { lockWaits } from '../../../support/lock-waits';
import { waitFor } from '../../../support/wait';
import type { VendorId } from './history';
import { decidingEachByItself, meeting, type Plant } from './plants';
import type { Stage } from './stage';

/** How the sync's statements lower the counter. */
const LOWERED = 'reserved_quantity = p.reserved_quantity - COALESCE(settled_sum.quantity, 0)';
/** More than the server takes to make somebody wait. */
const WAIT_MS_MAX = 10_000;

/** After the sync's own update of locked products, one more statement. */
function afterApplying(
  { app }: Stage,
  alsoRun: (tx: Transaction, listing: StagedListing, keys: string[]) => Promise<unknown>,
) {
  const apply = app.context.get(ApplyRepository);
  const update = apply.update.bind(apply);
  jest.spyOn(apply, 'update').mockImplementation(async (tx, listing, keys) => {
    const written = await update(tx, listing, keys);
    await alsoRun(tx, listing, keys);
    return written;
  });
}

type Asking = (on: Connection, ...rest: unknown[]) => Promise<unknown>;

/** Replaces a part of what the sync asks of the database. */
export function replacing({ app }: Stage, method: keyof ApplyRepository, part: string, by: string): void {
  const apply = app.context.get<unknown, Record<string, Asking>>(ApplyRepository);
  const ask = apply[method]!.bind(apply);
  jest.spyOn(apply, method).mockImplementation((on, ...rest) => {
    const query = (statement: string, values?: unknown[]) => on.query(statement.replaceAll(part, by), values);
    return ask(Object.create(on, { query: { value: query } }) as Connection, ...rest);
  });
}

export const resettingReservations: Plant = (stage) => {
  afterApplying(stage, (tx, _, keys) =>
    tx.query('UPDATE products SET reserved_quantity = 0 WHERE product_id = ANY($1)', [keys]),
  );
};

export const subtractingReservationsFromTheListing: Plant = (stage) => {
  afterApplying(stage, (tx, _, keys) =>
    tx.query(
      `UPDATE products SET vendor_quantity = GREATEST(vendor_quantity - reserved_quantity, 0)
       WHERE product_id = ANY($1)`,
      [keys],
    ),
  );
};

/** Those of earlier listings. */
export const unsettlingHolds: Plant = (stage) => {
  afterApplying(stage, (tx) =>
    tx.query(`UPDATE orders SET hold_state = 'acknowledged' WHERE hold_state = 'settled' AND updated_at < now()`),
  );
};

/** Neither the judge nor the statements that apply a listing compare its time with what is known. */
export const believingOldListings: Plant = (stage) => {
  const { sync } = stage;
  const takeDue = sync.takeDue.bind(sync);
  jest.spyOn(sync, 'takeDue').mockImplementation(async () => ({ ...(await takeDue())!, stockAsOf: null }));
  const notNewer = `($2::timestamptz = '-infinity' OR p.as_of <= $2)`;
  for (const method of ['findChanged', 'findMissing', 'lock'] as const) {
    replacing(stage, method, notNewer, '$2::timestamptz IS NOT NULL');
  }
};

/** A feed that was generated earlier is taken for what there is now. */
export const takingCachedFeedsForNew: Plant = ({ app, vendors }) => {
  const adapter = app.context.get(RestAdapter);
  const poll = adapter.poll.bind(adapter);
  jest.spyOn(adapter, 'poll').mockImplementation(async (vendor, request) => {
    const polled = await poll(vendor, request);
    const { feedMs } = vendors[vendor.vendorId as VendorId].books;
    return polled.outcome === 'listing' ? { ...polled, asOf: new Date(feedMs) } : polled;
  });
};

export const takingDeltasForAll: Plant = ({ app }) => {
  const adapter = app.context.get(RestAdapter);
  const poll = adapter.poll.bind(adapter);
  jest.spyOn(adapter, 'poll').mockImplementation(async (vendor, request) => {
    const polled = await poll(vendor, request);
    return polled.outcome === 'listing' ? { ...polled, kind: 'full' } : polled;
  });
};

/** What leaves the listing takes what was promised of it along. */
export const forgettingPromisesOfWhatLeft: Plant = (stage) => {
  replacing(stage, 'unlist', LOWERED, 'reserved_quantity = 0');
};

/** It is there again, and nobody may buy it. */
export const leavingReturnedProductsUnlisted: Plant = (stage) => {
  replacing(stage, 'update', 'listed = true,', 'listed = p.listed,');
};

/**
 * The sync counts what is promised in the very statement that waits for the product. What the placement that had it has
 * written is not in that statement's snapshot: only the product's own row is read again after the wait.
 */
export const countingBeforeTheLock: Plant = (stage) => {
  decidingEachByItself(stage);
  const { app } = stage;
  const sum = `SELECT COALESCE(sum(o.quantity), 0) FROM orders o WHERE o.product_id = p.product_id`;
  replacing(stage, 'update', LOWERED, `reserved_quantity = (${sum} AND o.hold_state IN ('held', 'acknowledged'))`);
  const meet = meeting();
  jest.spyOn(app.context.get(ApplyRepository), 'lock').mockImplementation(async (_, __, keys) => {
    await meet();
    return keys;
  });
  const stock = app.context.get(StockRepository);
  const lock = stock.lockForPlacement.bind(stock);
  jest.spyOn(stock, 'lockForPlacement').mockImplementation(async (tx, keys, skipLocked) => {
    const products = await lock(tx, keys, skipLocked);
    await meet();
    const somebodyWaits = async () => (await lockWaits(app.dataSource)) > 0;
    await waitFor(somebodyWaits, { withinMs: WAIT_MS_MAX, what: 'the sync to wait for the product' });
    return products;
  });
};

/** A sync has its orders, a cancellation its product, before either goes on. */
export const lockingOrdersBeforeProducts: Plant = ({ app }) => {
  const meet = meeting();
  const apply = app.context.get(ApplyRepository);
  const lockProducts = apply.lock.bind(apply);
  jest.spyOn(apply, 'lock').mockImplementation(async (tx, listing, keys) => {
    await tx.query('SELECT FROM orders WHERE product_id = ANY($1) ORDER BY order_id FOR NO KEY UPDATE', [keys]);
    await meet();
    // As long as PostgreSQL needs to notice a deadlock.
    return lockProducts(tx, listing, keys, WAIT_MS_MAX);
  });
  const cancellation = app.context.get(Cancellation);
  const cancel = cancellation.cancel.bind(cancellation);
  let isCancelling = false;
  jest.spyOn(cancellation, 'cancel').mockImplementation((orderId) => {
    isCancelling = true;
    return cancel(orderId);
  });
  const stock = app.context.get(StockRepository);
  const lock = stock.lock.bind(stock);
  jest.spyOn(stock, 'lock').mockImplementation(async (...asked) => {
    await lock(...asked);
    if (isCancelling) await meet();
  });
};
