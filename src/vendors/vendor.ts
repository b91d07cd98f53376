/** A company that holds stock and takes orders, as registered. Durations in milliseconds. */
export interface Vendor {
  vendorId: string;
  name: string;
  /** The dialect it speaks: names an adapter. */
  kind: string;
  /** Without user, password, query, fragment and trailing slash. */
  baseUrl: string;
  /** As it was at a former address, to be asked about what was sent there. */
  elsewhere?: boolean;
  enabled: boolean;
  /** null: the installation's default. */
  syncIntervalMs: number | null;
  /** Between complete listings so far apart only deltas are asked for, where there are any. null: no deltas. */
  fullSyncIntervalMs: number | null;
  /** Calls under way at once, over all workers. */
  maxConcurrentOrders: number;
  /** Name of the environment variable that holds the token it wants. */
  credentialEnv: string | null;
  /** How far the vendor's own clocks may disagree: a listing counts as containing an order only beyond this. */
  clockMarginMs: number;
  /** How old what it lists may be. null: unknown, and a hold without a vendor time never settles by itself. */
  feedMaxAgeMs: number | null;
  staleStock: StaleStock;
  /** How long after an order was sent its books may still not show it. */
  consistencyLagMs: number;
  /** null: the installation's default. */
  deliveryAttemptsMax: number | null;
  /** Products kept of it, listed or not: a listing adds no SKUs beyond. */
  productsMax: number;
}

export const PRODUCTS_MAX_DEFAULT = 5_000_000;

export const STALE_STOCK_POLICIES = ['sell', 'buffer', 'block'] as const;

/** What is sold while the picture is stale: all of it, what is above the buffer, or nothing. */
export interface StaleStock {
  policy: (typeof STALE_STOCK_POLICIES)[number];
  bufferQuantity: number;
}

/** What the sync knows of a vendor's stock. Times are ISO 8601 UTC, by our clock. */
export interface VendorFreshness {
  lastSyncAt: string | null;
  stockAgeSeconds: number | null;
  /** The last successful poll is older than three of the vendor's intervals, or there was none. */
  stale: boolean;
}

export type BreakerState = 'closed' | 'open' | 'halfOpen';

/** Whether it is called. */
export interface VendorStanding {
  /** That of `orders`. */
  breaker: BreakerState;
  breakers: { orders: BreakerState; stock: BreakerState };
  /** An operator has stopped dispatch. */
  paused: boolean;
}

/** As registered, and as it is at this moment. */
export type VendorNow = Vendor & VendorStanding & VendorFreshness;

export const VENDOR_ID = /^[a-z][a-z0-9-]{1,31}$/;

/** A picture older than this many poll intervals is stale. */
export const STALE_INTERVALS = 3;
