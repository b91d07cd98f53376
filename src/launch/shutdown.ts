import { Logger } from '@nestjs/common';

/** One step of a clean stop. */
type StopStep = () => Promise<unknown> | undefined | void;

/** What a container runtime sends, and what Ctrl-C sends. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** npm passes a Ctrl-C on that the terminal has sent already: a second signal so soon is the same one. */
const SAME_SIGNAL_MS = 1000;
/** How often a process that `npm start` began looks whether npm is still there. */
const LOOK_FOR_PARENT_MS = 250;

/**
 * On the first signal runs the steps in order and exits 0; a second one, a while later, exits at once. A step that fails is reported
 * and the rest still run.
 */
export function endWith(steps: readonly StopStep[]): void {
  let stoppingSince: number | undefined;
  const stop = async (): Promise<void> => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        console.error('Not stopped cleanly:', error);
      }
    }
    process.exit(0);
  };
  for (const signal of SIGNALS) process.on(signal, () => void stop());
}

/**
 * What nobody has caught leaves the process in a state that nobody knows: it says so and ends, and a supervisor starts
 * another. Nothing is lost: the platform is made to be killed.
 */
export function endWithWhatNobodyCaught(): void {
  process.on('uncaughtException', (error, origin) => {
    new Logger('Holdfast').fatal({ err: error }, `Ended by an ${origin}: ${error.message}`);
    process.exit(1);
  });
}

/**
 * Ends this process when its parent is gone: `kill -9` of `npm start` would leave it running with nobody to stop it,
 * and in the way of the next `npm start`. Nothing is lost: the platform is made to be killed.
 */
export function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, LOOK_FOR_PARENT_MS).unref();
}
