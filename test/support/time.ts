/** Seconds from now, as the vendor's clock: `at(0)`, `at(-60)`. One base for the whole file, so that times compare. */
const BASE_MS = Math.floor(Date.now() / 1000) * 1000;

export function at(seconds: number): string {
  return new Date(BASE_MS + seconds * 1000).toISOString();
}
