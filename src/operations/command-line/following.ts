import { setTimeout as pause } from 'node:timers/promises';
import { ApiUnreachable } from './api';
import { CommandFailed } from './exit-codes';
import type { Screen } from './screen';

const LOOK_EVERY_MS = 500;
/** A run that takes longer has nobody who works on it. */
const FOLLOW_MS_MAX = 3_600_000;
/** Looks that fail one after the other: an API that restarts is back by then. */
const FAILURES_MAX = 60;

export interface Progress {
  done: number;
  total: number | null;
  what: string;
}

/** Looks again and again until it is over, showing how far it is. Throws `CommandFailed`, and `ApiUnreachable` in the long run. */
export async function follow<State>(
  screen: Screen,
  look: () => Promise<State>,
  { isOver, progressOf }: { isOver: (state: State) => boolean; progressOf: (state: State) => Progress },
): Promise<State> {
  const deadline = performance.now() + FOLLOW_MS_MAX;
  let failures = 0;
  try {
    while (performance.now() < deadline) {
      const state = await look().catch((error: unknown) => {
        if (!(error instanceof ApiUnreachable) || ++failures > FAILURES_MAX) throw error;
        return undefined;
      });
      if (state !== undefined) {
        failures = 0;
        if (isOver(state)) return state;
        const { done, total, what } = progressOf(state);
        screen.progress(done, total, what);
      }
      await pause(LOOK_EVERY_MS);
    }
  } finally {
    screen.clearProgress();
  }
  throw new CommandFailed(`It has not ended within ${FOLLOW_MS_MAX / 60_000} minutes; is a worker running?`);
}
