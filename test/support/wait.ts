import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 20;

/** Looks until the condition holds; fails saying what did not come. */
export async function waitFor(
  condition: () => Promise<boolean> | boolean,
  { withinMs, what }: { withinMs: number; what: string | (() => string) },
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await Promise.resolve(condition()).catch(() => false))) {
    if (performance.now() > deadline) {
      throw new Error(`Waited ${withinMs} ms for ${typeof what === 'string' ? what : what()}`);
    }
    await pause(LOOK_EVERY_MS);
  }
}
