import type { AnswerHead, VendorRequest } from '../vendor-http';
import type { Exchange } from './recorded-http';

/** A row of stock under the dialect's own names of its parts, as it came. */
export interface SeenRow {
  sku: unknown;
  name: unknown;
  quantity: unknown;
  price: unknown;
}

export interface SeenPage {
  exchange: Exchange;
  asOf: unknown;
  rows: SeenRow[];
  etag: string | null;
  /** Where a delta goes on after this page. */
  position: string | null;
}

/** A rule of the listing that was broken so that reading on makes no sense. */
export class Breach extends Error {
  constructor(
    readonly rule: StockRule,
    readonly exchange: Exchange,
    message: string,
  ) {
    super(message);
  }
}

export type StockRule =
  | 'stock-answers'
  | 'stock-time'
  | 'stock-time-constant'
  | 'stock-pages'
  | 'skus'
  | 'skus-once'
  | 'quantities'
  | 'prices';

/** How the checks read one dialect's stock: less forgiving than its adapter, and able to say what it saw. */
export interface StockDialect {
  /** What the dialect calls these. */
  words: { asOf: string; sku: string; quantity: string; price: string };
  credential: VendorRequest['credential'];
  /** The time is the same on every page. */
  constantTime: boolean;
  /** Why a price is none, or nothing. */
  priceProblem(price: unknown): string | undefined;
  whole(calls: StockCalls, pageRows: number): AsyncIterable<SeenPage>;
  /** Null where the dialect has no deltas. */
  changes: ((calls: StockCalls, position: string) => AsyncIterable<SeenPage>) | null;
  /** Asks for the first page of a listing, if it is no longer the one with this validator. Null: it has no validators. */
  conditional: ((calls: StockCalls, etag: string, pageRows: number) => Promise<AnswerHead>) | null;
}

export interface StockCalls {
  /** With the patience of a poll. Throws `Breach` where there is no answer. */
  get(path: string, headers?: Record<string, string>): Promise<Exchange & { body: string; head: AnswerHead }>;
  /** The same for a file; its chunks are null unless it was answered with 200. */
  file(
    path: string,
    headers?: Record<string, string>,
  ): Promise<Exchange & { chunks: AsyncIterable<Buffer> | null; head: AnswerHead }>;
}

/** The vendor has no deltas, or none that reaches so far back. */
export class NoDelta extends Error {}

const DECIMAL = /^\d{1,10}(\.\d{1,2})?$/;

export function decimalProblem(price: unknown): string | undefined {
  if (typeof price !== 'string' && typeof price !== 'number') return 'is no decimal';
  return DECIMAL.test(String(price)) ? undefined : 'is not a decimal from 0 with at most two places';
}

export function centsProblem(cents: unknown): string | undefined {
  return Number.isSafeInteger(cents) && (cents as number) >= 0 ? undefined : 'is not a whole number of cents from 0';
}
