/** Holds the disk back, to see what does not wait for it. Undone by `jest.restoreAllMocks()`. */
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface HeldFlushes {
  /** Resolves when the first flush has begun. */
  reached: Promise<void>;
  /** Lets all of them go. */
  now: () => void;
  flushes: () => number;
}

/** Every flush waits from now on, until `now()`. */
export async function holdFlushes(): Promise<HeldFlushes> {
  const prototype = await fileHandlePrototype();
  const flush = prototype.datasync;
  let now!: () => void;
  let hasReached!: () => void;
  const released = new Promise<void>((resolve) => (now = resolve));
  const reached = new Promise<void>((resolve) => (hasReached = resolve));
  const spy = jest.spyOn(prototype, 'datasync').mockImplementation(async function (this: unknown) {
    hasReached();
    await released;
    await flush.call(this as never);
  });
  return { reached, now, flushes: () => spy.mock.calls.length };
}

/** Node gives files no exported class; any open file leads to it. */
export async function fileHandlePrototype(): Promise<{ datasync: () => Promise<void> }> {
  const path = join(tmpdir(), `holdfast-any-${process.pid}`);
  const file = await open(path, 'w');
  await file.close();
  await rm(path);
  return Object.getPrototypeOf(file) as { datasync: () => Promise<void> };
}
