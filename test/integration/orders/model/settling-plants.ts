import type { Transaction } from '../../../../src/database/sql';
import { ApplyRepository } from '../../../../src/stock/sync/apply.repository';
import { SyncLeaseRepository } from '../../../../src/stock/sync/sync-lease.repository';
import { StockRepository } from '../../../../src/stock/stock.repository';
import { type Plant, rewording } from './plants';
import { replacing } from './sync-plants';

/** Settles acknowledged holds of which the condition is true, and lowers their counters. */
async function settle(tx: Transaction, condition: string, values: unknown[]): Promise<void> {
  await tx.query(
    `WITH settled AS (
       UPDATE orders SET hold_state = 'settled'
       WHERE hold_state = 'acknowledged' AND ${condition} RETURNING product_id, quantity)
     UPDATE products p SET reserved_quantity = reserved_quantity - s.quantity
     FROM (SELECT product_id, sum(quantity)::integer AS quantity FROM settled GROUP BY product_id) s
     WHERE p.product_id = s.product_id`,
    values,
  );
}

/** What was accepted in the listing's own millisecond counts as contained. */
export const settlingWithoutStrictness: Plant = (stage) => {
  for (const method of ['findChanged', 'update'] as const) replacing(stage, method, ' < $2 END', ' <= $2 END');
};

/** The vendor has subtracted it, and so do we. */
export const settlingNothing: Plant = (stage) => {
  replacing(stage, 'update', `AND o.hold_state::text = 'acknowledged' RETURNING`, 'AND false RETURNING');
};

/** Rows whose numbers are the same are not looked at. */
export const settlingOnlyWhatDiffers: Plant = (stage) => {
  replacing(stage, 'findChanged', ' OR held.product_id IS NOT NULL', '');
};

export const forgettingHoldsOfWhatLeft: Plant = ({ app }) => {
  jest.spyOn(app.context.get(ApplyRepository), 'findGoneWithHolds').mockResolvedValue([]);
};

/** An acceptance that is recorded after the listing that contains it waits for the next. */
export const settlingBySyncsOnly: Plant = ({ app }) => {
  jest.spyOn(app.context.get(StockRepository), 'containsAcceptance').mockResolvedValue(false);
  rewording('complete-accepted', 'WHEN picture.contained', 'WHEN false');
};

export const settlingByAnswersWithoutRows: Plant = ({ app }) => {
  const leases = app.context.get(SyncLeaseRepository);
  const confirm = leases.confirm.bind(leases);
  jest.spyOn(leases, 'confirm').mockImplementation(async (tx, lease) => {
    await settle(tx, 'vendor_id = $1', [lease.vendor.vendorId]);
    await confirm(tx, lease);
  });
};

export const forgettingTheClockMargin: Plant = ({ sync }) => {
  const takeDue = sync.takeDue.bind(sync);
  jest.spyOn(sync, 'takeDue').mockImplementation(async () => {
    const lease = (await takeDue())!;
    return { ...lease, vendor: { ...lease.vendor, clockMarginMs: 0 } };
  });
};
