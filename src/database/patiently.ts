import { setTimeout as pause } from 'node:timers/promises';
import { databaseFailure } from './database-errors';

/** Where a client waits for the answer: a third of a second in all, within the one that it has. */
export const REQUEST_WAITS_MS = [20, 100, 200];

/** Whether trying again soon may help: who has waited for a connection, or for a statement, has waited enough. */
export function passesAtOnce(error: unknown): boolean {
  const failure = databaseFailure(error);
  return failure !== undefined && failure !== 'exhausted' && failure !== 'overdue';
}

/**
 * Does something again, after each of the waits, where the database failed it for a reason that passes. `work` must bear
 * being done once more after a commit whose answer was lost. Rejects at once where the signal ends a wait.
 */
export async function patiently<Result>(
  work: () => Promise<Result>,
  waitsMs: readonly number[],
  passes: (error: unknown) => boolean,
  signal?: AbortSignal,
): Promise<Result> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const waitMs = waitsMs[tries];
      if (waitMs === undefined || !passes(error)) throw error;
      await pause(waitMs, undefined, { signal });
    }
  }
}
