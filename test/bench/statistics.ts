export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** The middle of several runs, and how far they were apart. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Nearest rank. */
export function percentilesOf(values: number[]): Percentiles {
  const sorted = Float64Array.from(values).sort();
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}

export function spreadOf(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

export function medianOf(values: number[]): number {
  return spreadOf(values).median;
}

/** A copy in random order (Fisher and Yates). */
export function shuffled<Item>(items: readonly Item[]): Item[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}
