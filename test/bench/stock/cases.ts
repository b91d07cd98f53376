/** Fewer make shares of them meaningless; more the simulated vendor does not generate. */
export const SKUS_MIN = 1000;
export const SKUS_MAX = 1_000_000;

/**
 * What is asked of the vendor: its complete listing without a validator, as an operator asks for it; what has changed
 * since the last poll; or the complete listing unless it is still the one we have. One that is new to us lists everything.
 */
export type Asked = 'everything' | 'changes' | 'confirmation';

/** A sync of a vendor whose products we have. */
export interface SyncCase {
  name: string;
  what: string;
  /** Share of the products that got another quantity since the last. */
  touched: number;
  asked: Asked;
}

export const SYNC_CASES: SyncCase[] = [
  { name: 'unchanged', what: 'unchanged, listed whole', touched: 0, asked: 'everything' },
  { name: 'confirmed', what: 'unchanged, confirmed by ETag', touched: 0, asked: 'confirmation' },
  { name: 'changed', what: '1 % changed, listed whole', touched: 0.01, asked: 'everything' },
  { name: 'delta', what: '1 % changed, as a delta', touched: 0.01, asked: 'changes' },
];

/** Orders for products of a vendor, and what goes on beside them. */
export interface OrderCase {
  name: string;
  what: string;
  beside: 'nothing' | 'first load' | { touched: number };
}

export const QUIET = 'quiet';
export const ORDER_CASES: OrderCase[] = [
  { name: QUIET, what: 'nothing', beside: 'nothing' },
  { name: 'changed-1', what: 'full sync, 1 % changed', beside: { touched: 0.01 } },
  { name: 'changed-10', what: 'full sync, 10 % changed', beside: { touched: 0.1 } },
  { name: 'first-load', what: 'first load of another vendor', beside: 'first load' },
];
