import { CATALOGUE, type CatalogueProduct, HOT_PRODUCT, HOT_PRODUCTS } from '../catalogue';
import { shuffled } from '../statistics';

/** One thing to measure: what is asked for, and of whom. */
export interface Case {
  name: string;
  what: string;
  /** `raw`: the database alone. `api`: as fast as it answers. `rate`: at half of what another case could do. */
  kind: 'raw' | 'api' | 'rate';
  shape: Shape;
  keyed?: boolean;
  apis?: 1 | 2;
  /** For `rate`: the case whose capacity is halved. */
  capacityOf?: string;
}

/** What the orders are for: all products alike, the one that everybody wants, or five of fifty wanted ones at once. */
export type Shape = 'spread' | 'hot' | 'checkout';

export const CONNECTIONS = 64;
export const RAW_CONNECTIONS = 16;
/** Of each product ordered; not 1, so that a sum of quantities is not a count of orders. */
export const QUANTITY = 2;
export const CHECKOUT_LINES = 5;
/** Different checkouts; each is sent many times. */
const CHECKOUTS = 6400;

export const CASES: Case[] = [
  { name: 'raw-spread', what: 'PostgreSQL alone, spread', kind: 'raw', shape: 'spread' },
  { name: 'raw-hot', what: 'PostgreSQL alone, hot', kind: 'raw', shape: 'hot' },
  { name: 'spread', what: 'API, spread', kind: 'api', shape: 'spread' },
  { name: 'hot', what: 'API, hot', kind: 'api', shape: 'hot' },
  { name: 'keyed-spread', what: 'API, spread, with keys', kind: 'api', shape: 'spread', keyed: true },
  { name: 'keyed-hot', what: 'API, hot, with keys', kind: 'api', shape: 'hot', keyed: true },
  { name: 'checkouts', what: 'API, checkouts of 5 of 50', kind: 'api', shape: 'checkout' },
  { name: 'two-spread', what: 'two APIs, spread', kind: 'api', shape: 'spread', apis: 2 },
  { name: 'two-hot', what: 'two APIs, hot', kind: 'api', shape: 'hot', apis: 2 },
  { name: 'half-spread', what: 'API at half load, spread', kind: 'rate', shape: 'spread', capacityOf: 'spread' },
  { name: 'half-hot', what: 'API at half load, hot', kind: 'rate', shape: 'hot', capacityOf: 'hot' },
];

export function productsOf(shape: Shape): CatalogueProduct[] {
  if (shape === 'hot') return [HOT_PRODUCT];
  return shape === 'checkout' ? HOT_PRODUCTS : shuffled(CATALOGUE);
}

export function pathOf(shape: Shape): string {
  return shape === 'checkout' ? '/v1/checkouts' : '/v1/orders';
}

export function linesOf(shape: Shape): number {
  return shape === 'checkout' ? CHECKOUT_LINES : 1;
}

/** What is sent, as JSON. */
export function bodiesOf(shape: Shape): string[] {
  const lineOf = ({ productId }: CatalogueProduct) => ({ productId, quantity: QUANTITY });
  if (shape !== 'checkout') return productsOf(shape).map((product) => JSON.stringify(lineOf(product)));
  return Array.from({ length: CHECKOUTS }, () =>
    JSON.stringify({ lines: shuffled(HOT_PRODUCTS).slice(0, CHECKOUT_LINES).map(lineOf) }),
  );
}
