/** Every fault a simulated vendor can have: where it can strike, and its parameters with their bounds. */

export type Operation = 'stock' | 'order' | 'lookup' | 'cancel' | 'list';

export interface FaultParameters {
  latency: { ms: number };
  error5xx: { status: number; retryAfterSeconds?: number };
  tooManyRequests: { retryAfterSeconds: number };
  redirect: object;
  unreadableBody: object;
  slowDrip: { bytesPerSecond: number };
  brokenOff: { keepShare: number };
  outage: object;
  acceptThenDrop: object;
  acceptThen500: object;
  delayedAcceptance: { ms: number };
  outOfStock: object;
  staleSnapshot: object;
  reorderedSnapshot: object;
  emptySnapshot: object;
  truncatedSnapshot: { keepShare: number };
  listLag: { ms: number };
  unstablePages: object;
  clockSkew: { ms: number };
  outsideSales: { perSecond: number };
  restocking: { perSecond: number };
}

export type FaultName = keyof FaultParameters;

/** What goes on by itself at a rate, whether anybody asks or not. */
export type Traffic = 'outsideSales' | 'restocking';

export interface NumberRule {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
  /** Taken when the parameter is absent; without it the parameter is required, unless it is optional. */
  readonly otherwise?: number;
  readonly optional?: true;
}

export interface FaultKind {
  /** The operations it can strike. None: it is a state of the vendor, not something that happens to a request. */
  readonly operations: readonly Operation[];
  /** What may be said besides its own parameters. */
  readonly options: readonly FaultOption[];
  readonly parameters: Readonly<Record<string, NumberRule>>;
}

export type FaultOption = 'share' | 'count' | 'seed' | 'operation';

/** Ten minutes is longer than any client should wait, and short enough for a forgotten fault to end. */
const WAIT_MS_MAX = 600_000;
const DAY_MS = 86_400_000;

const ANYWHERE: readonly Operation[] = ['stock', 'order', 'lookup', 'cancel', 'list'];
const EACH: readonly FaultOption[] = ['share', 'count', 'seed', 'operation'];

export const OPTION_RULES: Readonly<Record<Exclude<FaultOption, 'operation'>, NumberRule>> = {
  share: { min: 0, max: 1, whole: false, otherwise: 1 },
  count: { min: 0, max: 1_000_000_000, whole: true, optional: true },
  seed: { min: 0, max: 0xffff_ffff, whole: true, optional: true },
};

export const FAULT_KINDS: Readonly<Record<FaultName, FaultKind>> = {
  latency: strikes(ANYWHERE, { ms: { min: 0, max: WAIT_MS_MAX, whole: true } }),
  error5xx: strikes(ANYWHERE, {
    status: { min: 500, max: 599, whole: true, otherwise: 500 },
    retryAfterSeconds: { min: 0, max: 86_400, whole: true, optional: true },
  }),
  tooManyRequests: strikes(ANYWHERE, { retryAfterSeconds: { min: 0, max: 86_400, whole: true, otherwise: 1 } }),
  redirect: strikes(ANYWHERE),
  unreadableBody: strikes(ANYWHERE),
  slowDrip: strikes(ANYWHERE, { bytesPerSecond: { min: 0.1, max: 1_000_000, whole: false } }),
  brokenOff: strikes(['stock', 'list'], { keepShare: { min: 0, max: 1, whole: false, otherwise: 0.5 } }),
  outage: strikes(ANYWHERE),
  acceptThenDrop: strikes(['order']),
  acceptThen500: strikes(['order']),
  delayedAcceptance: strikes(['order'], { ms: { min: 0, max: WAIT_MS_MAX, whole: true } }),
  outOfStock: strikes(['order']),
  // A listing that is stale or out of order shows; in a delta too. One that is empty or truncated shows only when it is
  // complete: a delta that left changes out would be a vendor that lies, and nobody could tell.
  staleSnapshot: strikes(['stock', 'list']),
  reorderedSnapshot: strikes(['stock', 'list']),
  emptySnapshot: strikes(['stock', 'list']),
  truncatedSnapshot: strikes(['stock', 'list'], { keepShare: { min: 0, max: 1, whole: false } }),
  // A list of changed orders that does not show the latest, and one that is another from page to page.
  listLag: strikes(['list'], { ms: { min: 0, max: DAY_MS, whole: true } }),
  unstablePages: strikes(['list']),
  clockSkew: { operations: [], options: [], parameters: { ms: { min: -DAY_MS, max: DAY_MS, whole: true } } },
  outsideSales: goesOn(),
  restocking: goesOn(),
};

export function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(FAULT_KINDS, name);
}

function goesOn(): FaultKind {
  const perSecond = { min: 0.001, max: 10_000, whole: false };
  return { operations: [], options: ['count', 'seed'], parameters: { perSecond } };
}

function strikes(operations: readonly Operation[], parameters: Record<string, NumberRule> = {}): FaultKind {
  return { operations, options: EACH, parameters };
}
