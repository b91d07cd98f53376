/** What can happen at a vendor, one line of its ledger each. `at` is the vendor's clock in ISO 8601 UTC. */
export type LedgerEvent =
  /** Taken in and answered, to be decided later. */
  | { type: 'queued'; at: string; reference: string; sku: string; quantity: number }
  | { type: 'accepted'; at: string; reference: string; vendorOrderId: string; sku: string; quantity: number }
  | { type: 'refused'; at: string; reference: string; sku: string; quantity: number; code: RefusalCode }
  | { type: 'cancelled'; at: string; reference: string; vendorOrderId: string }
  /** A reference that stands for no purchase is closed, so that none can come later. */
  | { type: 'closed'; at: string; reference: string }
  | { type: 'soldOutside'; at: string; sku: string; quantity: number }
  | { type: 'restocked'; at: string; sku: string; quantity: number }
  /** Many quantities changed at once; which ones and to what follows from the seed and the listing at that moment. */
  | { type: 'touched'; at: string; count: number; seed: number }
  /** The product as it is from now on, whole, so that reading it again needs nothing that came before. */
  | { type: 'adjusted'; at: string; sku: string; name: string; price: string; quantity: number }
  | { type: 'delisted'; at: string; sku: string }
  /** A time that was handed out and that the machine's clock has not reached yet. */
  | { type: 'clock'; at: string };

export type RefusalCode = 'OUT_OF_STOCK' | 'UNKNOWN_SKU';

const TYPES: Record<LedgerEvent['type'], true> = {
  queued: true,
  accepted: true,
  refused: true,
  cancelled: true,
  closed: true,
  soldOutside: true,
  restocked: true,
  touched: true,
  adjusted: true,
  delisted: true,
  clock: true,
};

/** @throws Error if the line is none of ours. The fields are trusted: only the simulator writes this file. */
export function readLedgerEvent(line: string): LedgerEvent {
  const event = JSON.parse(line) as LedgerEvent | null;
  if (!event || !Object.hasOwn(TYPES, event.type)) throw new Error('not an event this version knows');
  if (Number.isNaN(Date.parse(event.at))) throw new Error('it has no time');
  return event;
}
