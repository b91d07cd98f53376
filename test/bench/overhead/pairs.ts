import { join } from 'node:path';
import type { Shape } from '../placement/cases';

/** Something that tells of orders, and the environments in which an API does so and does not. */
export interface Pair {
  name: string;
  what: string;
  with: Record<string, string>;
  without: Record<string, string>;
  /** Of the throughput, what it may cost. */
  costMax: number;
}

/** An order for the hot product is the cheapest, so what is added to it shows most. */
export const SHAPES: Shape[] = ['spread', 'hot'];

export function pairsWith(collectorUrl: string): Pair[] {
  return [
    {
      name: 'metrics',
      what: 'metrics of every request',
      with: {},
      without: { NODE_OPTIONS: `--require ${join(__dirname, 'no-metrics.cjs')}` },
      costMax: 0.05,
    },
    { name: 'logs', what: 'a log line a request', with: {}, without: { LOG_LEVEL: 'silent' }, costMax: 0.05 },
    {
      name: 'traces',
      what: 'traces of every order',
      with: { OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl },
      without: {},
      costMax: 0.1,
    },
  ];
}

/** Names the rounds of a pair with orders of a shape. */
export function keyOf({ name }: Pair, shape: Shape): string {
  return `${name}-${shape}`;
}
