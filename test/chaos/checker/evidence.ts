import type { Purchase } from '../history';
import type { Call } from '../world/counter';
import type { BookEntry } from '../world/vendors';

export type OrderStatus = 'pending' | 'completed' | 'failed';
export type HoldState = 'held' | 'acknowledged' | 'settled' | 'released';

export interface StoredOrder {
  orderId: string;
  productId: string;
  quantity: number;
  status: OrderStatus;
  hold: HoldState;
  /** What could be sold when it was granted. */
  available: number;
  attentionReason: string | null;
  /** A message about it is in the outbox, due or not. */
  hasMessage: boolean;
  /** Types of its events, oldest first. */
  story: string[];
}

export interface StoredProduct {
  productId: string;
  vendorQuantity: number;
  reserved: number;
  stock: number;
  /** Sum of the quantities of its open holds, in the same snapshot. */
  openHolds: number;
}

export interface StoredKey {
  key: string;
  status: number;
  orderIds: string[];
}

/** An order as it was seen at some moment; only changes are kept, oldest first. */
export interface Sighting {
  orderId: string;
  status: OrderStatus;
  hold: HoldState;
}

/** Everything that can be known about a round once it is calm. */
export interface Evidence {
  history: Purchase[];
  orders: StoredOrder[];
  keys: StoredKey[];
  products: StoredProduct[];
  /** Products that did not add up at some moment under way. */
  miscountedMeanwhile: StoredProduct[];
  sightings: Sighting[];
  /** The vendors' own ledgers, for the orders of this round. */
  books: BookEntry[];
  /** What reached the vendors about orders of this round, oldest first. */
  calls: Call[];
  /** How long after a purchase was sent it proves something that a vendor does not know of it. */
  provableMs: number;
  /** Marks of the messages that nobody can read and that the broker took. */
  poisoned: string[];
  /** Marks of those that became dead letters. */
  poisonKept: string[];
  /** And what was in them is gone. */
  queuesDeleted: boolean;
  /** A vendor may have sold to others, or have refused though it had: its refusals prove nothing. */
  vendorsRefuseAnyway: boolean;
  /** What each process printed in this round. */
  outputs: { process: string; text: string }[];
  databaseLog: string;
}

/** By what a row of the table counts it. */
export type Harm = 'lost' | 'boughtTwice' | 'oversold' | 'stuck' | 'other';

export interface Violation {
  check: string;
  harm: Harm;
  orderId?: string;
  detail: string;
}
