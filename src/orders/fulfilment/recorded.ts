import { setTimeout as pause } from 'node:timers/promises';
import { isTransientDatabaseError } from '../../database/database-errors';
import { inSpan } from '../../observability/spans';

/** 3 s in all: what is not recorded then is looked up at the vendor when the claim has ended, many seconds later. */
const TRIES_MAX = 6;
const DELAY_MS_BASE = 100;

/**
 * Writes down what a vendor has answered, again where the database fails for a reason that passes: the answer is in hand
 * now. `record` must bear being run once more after a commit whose answer was lost.
 */
export function recorded<Result>(record: () => Promise<Result>): Promise<Result> {
  return inSpan('record outcome', {}, () => patiently(record));
}

async function patiently<Result>(record: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await record();
    } catch (error) {
      if (tries >= TRIES_MAX || !isTransientDatabaseError(error)) throw error;
      await pause(DELAY_MS_BASE * 2 ** (tries - 1));
    }
  }
}
