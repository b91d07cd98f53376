/**
 * How long to wait before the next try, in milliseconds: exponential with full jitter, a random share of
 * min(max, base · 2^(tries − 1)). Source: "Exponential Backoff And Jitter", Marc Brooker, AWS Architecture Blog, 2015.
 */
export function backoffMs(tries: number, baseMs: number, maxMs: number, random: () => number = Math.random): number {
  const ceilingMs = Math.min(maxMs, baseMs * 2 ** Math.min(tries - 1, 40));
  return Math.round(ceilingMs * random());
}
