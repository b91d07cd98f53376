/**
 * What the installation under chaos runs with: production's own mechanisms, at times short enough for many faults. A
 * claim lasts 2.5 s (1.5 vendor time-outs and a second).
 */
export const SETTINGS = {
  VENDOR_TIMEOUT_MS: '1000',
  RETRY_DELAY_MS_BASE: '200',
  RETRY_DELAY_MS_MAX: '5000',
  DELIVERY_ATTEMPTS_MAX: '30',
  DATABASE_POOL_WAIT_MS: '1000',
  LOG_LEVEL: 'info',
};

export const VENDOR = {
  syncIntervalMs: 500,
  maxConcurrentOrders: 8,
  /** Longer than a vendor's acceptance comes late, less the call's own deadline. */
  consistencyLagMs: 1500,
};

export const PREFIX = 'chaos';
/** Bought of each vendor's catalogue: few, so that buyers meet, and some sell out. */
export const PRODUCTS_BOUGHT = 8;
export const SCARCE_QUANTITY = 15;
export const PLENTY_QUANTITY = 100_000;

export const BUYERS = 6;
/** Between two purchases of one buyer. */
export const PAUSE_MS_MAX = 150;
/** The same under faults of minutes: what gathers meanwhile is to be dealt with within the calm on a small machine. */
export const PAUSE_LONG_MS_MAX = 600;

/** What is not decided so long after the last fault is stuck. */
export const CALM_MS = 60_000;
