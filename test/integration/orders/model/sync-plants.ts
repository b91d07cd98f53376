import type { Connection, Transaction } from '../../../../src/database/sql';
import { ApplyRepository } from '../../../../src/stock/sync/apply.repository';
import type { StagedListing } from '../../../../src/stock/sync/settling';
import type { Plant } from './plants';
import type { Stage } from './stage';

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
function replacing({ app }: Stage, method: keyof ApplyRepository, part: string, by: string): void {
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

/** What was accepted in the listing's own millisecond counts as contained. */
export const settlingWithoutStrictness: Plant = (stage) => {
  const apply = stage.app.context.get(ApplyRepository);
  const find = apply.findChanged.bind(apply);
  jest
    .spyOn(apply, 'findChanged')
    .mockImplementation((on, listing, after, limit) =>
      find(on, { ...listing, asOf: new Date(listing.asOf!.getTime() + 1) }, after, limit),
    );
  afterApplying(stage, (tx, { asOf }, keys) =>
    tx.query(
      `WITH settled AS (
         UPDATE orders SET hold_state = 'settled'
         WHERE hold_state = 'acknowledged' AND accepted_at <= $1 AND product_id = ANY($2) RETURNING product_id, quantity)
       UPDATE products p SET reserved_quantity = reserved_quantity - s.quantity
       FROM (SELECT product_id, sum(quantity)::integer AS quantity FROM settled GROUP BY product_id) s
       WHERE p.product_id = s.product_id`,
      [asOf, keys],
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
